//! The systemd units that we ship, as systemd itself judges them. `deploy/test-systemd` tries them for real.

use std::path::{Path, PathBuf};

use llm_api_testkit::{Finished, TempDir, run, target_binary};

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/systemd").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(shipped(name)).expect("a file of ours")
}

async fn analyze(folder: &TempDir, args: &[&str]) -> Finished {
    run(Path::new("systemd-analyze"), folder.path(), args, &[("SYSTEMD_COLORS", "0")], "").await
}

#[tokio::test]
async fn the_service_is_hardly_exposed() {
    let folder = TempDir::new();
    let service = shipped("llm-api.service").display().to_string();
    // Tenths: it would end with 1 above 1.5.
    analyze(&folder, &["security", "--offline=true", "--threshold=15", &service]).await.expect(0);
}

#[tokio::test]
async fn systemd_has_nothing_to_say_against_the_units() {
    let folder = TempDir::new();
    let binary = target_binary("llm-api").display().to_string();
    let service = text("llm-api.service").replace("/usr/bin/llm-api", &binary);
    assert!(service.contains(&binary));
    std::fs::write(folder.path().join("llm-api.service"), service).expect("written");
    let backup = text("llm-api-backup.service").replace("/usr/bin/llm-api", &binary);
    std::fs::write(folder.path().join("llm-api-backup.service"), backup).expect("written");
    for name in ["llm-api.socket", "llm-api-backup.timer"] {
        std::fs::write(folder.path().join(name), text(name)).expect("written");
    }
    let units = ["./llm-api.service", "./llm-api.socket", "./llm-api-backup.service", "./llm-api-backup.timer"];
    let verified = analyze(&folder, &[&["verify", "--man=no"], &units[..]].concat()).await.expect(0);
    // It tells of unknown settings, and of units of the machine that are none of our business.
    let told: Vec<_> = verified.stderr.lines().filter(|line| line.contains("llm-api")).collect();
    assert!(told.is_empty(), "{told:?}");
}

/// Otherwise a command would meet other data, or other secrets, than the server.
#[test]
fn the_operators_commands_and_backups_run_as_the_service_does() {
    let same = [
        "User=",
        "Group=",
        "UMask=",
        "StateDirectory",
        "WorkingDirectory=",
        "Environment=",
        "EnvironmentFile=",
        "LoadCredential=",
    ];
    let is_same = |line: &&str| same.iter().any(|name| line.starts_with(name));
    let service = text("llm-api.service");
    let service: Vec<_> = service.lines().filter(is_same).collect();
    let command = text("llm-api-run");
    let command = command.split_whitespace().filter_map(|word| word.strip_prefix("--property="));
    let command: Vec<_> = command.filter(is_same).collect();
    assert_eq!(service, command);
    let backup = text("llm-api-backup.service");
    assert_eq!(service, backup.lines().filter(is_same).collect::<Vec<_>>());
    assert_eq!(service.len(), 12);
}
