use llm_api_crypto::MasterKey;
use llm_api_domain::Timestamp;

use super::*;
use crate::backup::{ArtifactContent, workplace::Workplace};

const KEY: &str = "312d6e503ae7c4b79bcb29ff61e7fb13f09036b9532efe862ab5fb8ea96729c1";

fn vault() -> Vault {
    Vault::new(MasterKey::parse(KEY).expect("a strong key"), Vec::new())
}

fn manifest(files: u64, bytes: u64) -> Manifest {
    Manifest {
        format: FORMAT,
        version: "0.1.0".to_owned(),
        made_at: Timestamp::from_micros(1_795_348_800_000_000),
        source: "sqlite".to_owned(),
        migration: 13,
        tables: Vec::new(),
        artifacts: ArtifactContent { files, bytes, ..ArtifactContent::default() },
    }
}

/// An entry as no honest program writes it: the name as it is, and any type.
struct Raw<'r>(&'r [u8], EntryType, &'r [u8]);

/// A sealed archive of just these entries: whoever has the key can make any.
fn sealed(path: &Path, entries: &[Raw<'_>]) {
    let stream = vault().seal_stream(PURPOSE, create_file(path).expect("a file")).expect("random");
    let mut tar = Builder::new(GzEncoder::new(stream, Compression::fast()));
    for Raw(name, kind, data) in entries {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().expect("GNU's form").name[..name.len()].copy_from_slice(name);
        header.as_gnu_mut().expect("GNU's form").linkname[..11].copy_from_slice(b"/etc/passwd");
        header.set_entry_type(*kind);
        header.set_size(data.len() as u64);
        header.set_cksum();
        tar.append(&header, *data).expect("memory");
    }
    tar.into_inner().and_then(GzEncoder::finish).and_then(llm_api_crypto::SealedWriter::finish).expect("an end");
}

fn json(manifest: &Manifest) -> Vec<u8> {
    serde_json::to_vec(manifest).expect("JSON")
}

#[test]
fn an_archive_gives_back_what_went_in() {
    let work = Workplace::new(&std::env::temp_dir()).expect("a folder");
    let database: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    fs::write(work.join("source"), &database).expect("a file");
    let folder = work.join("files");
    create_private(&folder.join("7f")).expect("a folder");
    // Longer than the field for names in a header.
    let long = format!("7f/{}", "x".repeat(100));
    let names = vec![("7f/one".to_owned(), 5), (long.clone(), 0), ("two.png".to_owned(), 70_000)];
    for (name, size) in &names {
        fs::write(folder.join(name), vec![7; usize::try_from(*size).expect("small")]).expect("a file");
    }
    let (path, into) = (work.join("archive"), work.join("into"));
    create_private(&into).expect("a folder");
    let out = create_file(&path).expect("a file");
    write(out, &vault(), &manifest(3, 70_005), &work.join("source"), &folder, &names).expect("an archive");
    let extracted = extract(&path, &vault(), &into, true).expect("a good archive");
    assert_eq!(extracted.names, ["7f/one".to_owned(), long, "two.png".to_owned()]);
    assert_eq!(fs::read(into.join(DATABASE)).expect("a file"), database);
    for (name, size) in &names {
        assert_eq!(fs::read(into.join(files::FOLDER).join(name)).expect("a file").len() as u64, *size);
    }

    // A file that is not as long as was said, or not there, ends it.
    for (name, size) in [("two.png", 69_999), ("two.png", 70_001), ("three", 1)] {
        let out = create_file(&work.join(format!("{name}{size}"))).expect("a file");
        let names = [(name.to_owned(), size)];
        assert!(write(out, &vault(), &manifest(1, size), &work.join("source"), &folder, &names).is_err());
    }
}

#[test]
fn nothing_is_taken_out_but_what_we_put_in() {
    let work = Workplace::new(&std::env::temp_dir()).expect("a folder");
    let (good, path) = (json(&manifest(1, 1)), work.join("archive"));
    let (about, database) = ((MANIFEST.as_bytes(), &good), DATABASE.as_bytes());
    let long = [b"artifacts/".as_slice(), &[b'x'; 90]].concat();
    let evil: [(&[u8], EntryType); 13] = [
        (b"../outside", EntryType::Regular),
        (b"artifacts/../../outside", EntryType::Regular),
        (b"artifacts/..", EntryType::Regular),
        (b"/tmp/outside", EntryType::Regular),
        (b"artifacts//tmp/outside", EntryType::Regular),
        (b"artifacts/", EntryType::Regular),
        (b"artifacts/.hidden", EntryType::Regular),
        (b"encryption.key", EntryType::Regular),
        (b"artifacts/link", EntryType::Symlink),
        (b"artifacts/link", EntryType::Link),
        (b"artifacts/folder", EntryType::Directory),
        (b"artifacts/pipe", EntryType::Fifo),
        (&long[..], EntryType::Char),
    ];
    for (place, (name, kind)) in evil.into_iter().enumerate() {
        let into = work.join(format!("into-{place}"));
        create_private(&into).expect("a folder");
        let _ = fs::remove_file(&path);
        let data: &[u8] = if kind == EntryType::Regular { b"x" } else { b"" };
        sealed(
            &path,
            &[
                Raw(about.0, EntryType::Regular, about.1),
                Raw(database, EntryType::Regular, b"db"),
                Raw(name, kind, data),
            ],
        );
        let refused = extract(&path, &vault(), &into, true).expect_err("not ours");
        assert!(matches!(refused, BackupError::Content { .. }), "{}: {refused}", String::from_utf8_lossy(name));
        assert_eq!(fs::read_dir(&into).expect("a folder").count(), 1, "the database alone");
        assert!(!work.join("outside").exists() && !Path::new("/tmp/outside").exists());
    }
}

#[test]
fn an_archive_without_its_parts_is_refused() {
    let work = Workplace::new(&std::env::temp_dir()).expect("a folder");
    let mut newer = manifest(0, 0);
    newer.format = FORMAT + 1;
    let (none, one, newer) = (json(&manifest(0, 0)), json(&manifest(1, 1)), json(&newer));
    let file = |name: &'static str, data| Raw(name.as_bytes(), EntryType::Regular, data);
    let (db, image) = (|| file(DATABASE, b"db"), || file("artifacts/7f/one", b"x"));
    for (place, (entries, words)) in [
        (vec![], "it is empty"),
        (vec![db()], "does not begin with a manifest"),
        (vec![file(MANIFEST, b"{")], "its manifest cannot be read"),
        (vec![file(MANIFEST, &newer)], "made by a newer llm-api (format 2)"),
        (vec![file(MANIFEST, &none)], "it has no database"),
        (vec![file(MANIFEST, &none), image()], "it has no database"),
        (vec![file(MANIFEST, &none), db(), image()], "does not hold the files that it names"),
        (vec![file(MANIFEST, &one), db()], "does not hold the files that it names"),
        (vec![file(MANIFEST, &one), db(), image(), image()], "exists"),
    ]
    .into_iter()
    .enumerate()
    {
        let (path, into) = (work.join(format!("archive-{place}")), work.join(format!("into-{place}")));
        create_private(&into).expect("a folder");
        sealed(&path, &entries);
        let refused = extract(&path, &vault(), &into, true).expect_err(words).to_string();
        assert!(refused.contains(words), "{words}: {refused}");
    }
}
