//! Commands run to their end, without the settings of whoever runs the tests.

use std::path::Path;

use llm_api_testkit::{TempDir, run};

#[tokio::test]
async fn a_command_gets_its_input_and_tells_how_it_ended() {
    let dir = TempDir::new();
    let script = "cat; echo \"$LLM_API_DATA_DIR\"; echo oops >&2; exit 78";
    let ended = run(Path::new("/bin/sh"), dir.path(), &["-c", script], &[], "input\n").await.expect(78);
    assert_eq!(ended.stdout, format!("input\n{}\n", dir.path().display()));
    assert_eq!(ended.stderr, "oops\n");
}

#[tokio::test]
async fn given_settings_arrive_and_files_go_with_their_folder() {
    let dir = TempDir::new();
    let path = dir.path().to_owned();
    let args = ["-c", "echo $LLM_API_A > file"];
    run(Path::new("/bin/sh"), &path, &args, &[("LLM_API_A", "b")], "").await.expect(0);
    assert_eq!(std::fs::read_to_string(path.join("file")).unwrap(), "b\n");
    drop(dir);
    assert!(!path.exists());
}
