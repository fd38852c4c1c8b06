//! Generated files and downloads.

use std::time::Duration;

use llm_api_domain::{ArtifactId, JobId, JobStatus, SessionId, Timestamp, UserId};
use llm_api_storage::{Artifact, ArtifactKind, ArtifactStore, Job, NewArtifact, NewJob, Store};
use llm_api_testkit::{Database, each_db};

use super::House;

async fn file(
    house: &House,
    store: &Store,
    user: UserId,
    session: Option<SessionId>,
    life: Option<u64>,
) -> NewArtifact {
    let now = house.now();
    let id = ArtifactId::new(now);
    let artifact = NewArtifact {
        id,
        user,
        session,
        kind: ArtifactKind::Image,
        content_type: "image/png".to_owned(),
        size_bytes: 300_000,
        store: ArtifactStore::Local,
        object_key: format!("{id}.png"),
        expires_at: life.map(|seconds| now + Duration::from_secs(seconds)),
    };
    store.artifacts().create(&artifact, now).await.expect("stored");
    artifact
}

fn ids(artifacts: &[Artifact]) -> Vec<ArtifactId> {
    artifacts.iter().map(|artifact| artifact.id).collect()
}

async fn expired(store: &Store, now: Timestamp) -> Vec<ArtifactId> {
    ids(&store.artifacts().expired(now, 10).await.expect("read"))
}

async fn download(house: &House, store: &Store, user: UserId, model: &str) -> Job {
    let now = house.later(1);
    let new = NewJob {
        id: JobId::new(now),
        user,
        model: model.to_owned(),
        source_type: Some("huggingface".to_owned()),
        source_uri: None,
    };
    store.download_jobs().create(&new, now).await.expect("created")
}

async fn job(store: &Store, user: UserId, id: JobId) -> Job {
    store.download_jobs().get(user, id).await.expect("read").expect("a job")
}

each_db! {
    async fn a_file_is_its_makers_and_goes_in_its_time(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        assert_eq!(store.artifacts().total_bytes().await.expect("read"), 0);
        let session = house.session(&store, ada, None).await.id;
        let made_at = house.now();
        let kept = file(&house, &store, ada, Some(session), None).await;
        house.later(1);
        let long = file(&house, &store, bob, None, Some(3600)).await;
        house.later(1);
        let short = file(&house, &store, ada, Some(session), Some(60)).await;

        let read = store.artifacts().get(ada, kept.id).await.expect("read").expect("hers");
        assert_eq!((read.id, read.user, read.session), (kept.id, ada, Some(session)));
        assert_eq!((read.kind, read.store), (ArtifactKind::Image, ArtifactStore::Local));
        assert_eq!((read.content_type, read.object_key), (kept.content_type, kept.object_key));
        assert_eq!((read.size_bytes, read.created_at, read.expires_at), (300_000, made_at, None));
        assert!(store.artifacts().get(bob, kept.id).await.expect("read").is_none());
        let signed = store.artifacts().get_signed(kept.id).await.expect("read").expect("there");
        assert_eq!(signed.user, ada);
        assert_eq!(ids(&store.artifacts().of_session(ada, session).await.expect("read")), [kept.id, short.id]);
        assert!(store.artifacts().of_session(bob, session).await.expect("read").is_empty());

        assert_eq!(store.artifacts().total_bytes().await.expect("read"), 900_000);
        assert_eq!(ids(&store.artifacts().oldest(2).await.expect("read")), [kept.id, long.id]);
        assert!(expired(&store, house.later(59)).await.is_empty());
        assert_eq!(expired(&store, house.later(1)).await, [short.id]);
        assert_eq!(expired(&store, house.later(3600)).await, [short.id, long.id]);
        assert!(store.artifacts().delete(short.id).await.expect("deleted"));
        assert!(!store.artifacts().delete(short.id).await.expect("tried"));
        assert_eq!(expired(&store, house.now()).await, [long.id]);
    }

    async fn the_files_of_a_forgotten_talk_expire(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let mut files = Vec::new();
        for _ in 0..4 {
            let session = house.session(&store, ada, None).await.id;
            files.push((session, file(&house, &store, ada, Some(session), None).await.id));
            house.later(1);
        }
        store.sessions().reset(ada, files[2].0, house.now()).await.expect("reset");
        store.sessions().purge(ada, files[1].0).await.expect("purged");
        store.sessions().purge_idle(house.now(), 1).await.expect("purged");
        assert_eq!(expired(&store, house.now()).await, [files[0].1, files[1].1, files[2].1]);
        let read = store.artifacts().get(ada, files[3].1).await.expect("read").expect("hers");
        assert_eq!(read.expires_at, None);
    }

    async fn a_download_is_told_step_by_step(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let first = download(&house, &store, ada, "llama3:8b").await;
        let second = download(&house, &store, ada, "missing").await;
        assert_eq!((first.status, first.created_at), (JobStatus::Queued, house.now() - Duration::from_secs(1)));
        let jobs = store.download_jobs();
        let started_at = house.later(1);
        assert!(jobs.start(first.id, started_at).await.expect("started"));
        assert!(!jobs.start(first.id, started_at).await.expect("tried"));
        assert!(jobs.set_progress(first.id, 41.5).await.expect("noted"));
        let half = job(&store, ada, first.id).await;
        assert_eq!((half.status, half.started_at, half.finished_at), (JobStatus::Running, Some(started_at), None));
        assert_eq!(half.progress_pct.to_string(), "41.5");
        assert_eq!((half.model.as_str(), half.source_type.as_deref()), ("llama3:8b", Some("huggingface")));

        let ended_at = house.later(1);
        assert!(jobs.finish(first.id, JobStatus::Completed, None, ended_at).await.expect("finished"));
        assert!(jobs.finish(second.id, JobStatus::Failed, Some("no such model"), ended_at).await.expect("finished"));
        assert!(!jobs.set_progress(first.id, 1.0).await.expect("tried"), "it has ended");
        let whole = job(&store, ada, first.id).await;
        assert_eq!((whole.status, whole.finished_at), (JobStatus::Completed, Some(ended_at)));
        assert_eq!(whole.progress_pct.to_string(), "100");
        let failed = job(&store, ada, second.id).await;
        assert_eq!((failed.status, failed.error.as_deref()), (JobStatus::Failed, Some("no such model")));
        let listed: Vec<JobId> = jobs.list(ada, 10).await.expect("read").iter().map(|job| job.id).collect();
        assert_eq!(listed, [second.id, first.id]);
        assert_eq!(jobs.list(ada, 1).await.expect("read").len(), 1);
        assert!(jobs.list(bob, 10).await.expect("read").is_empty());
        assert!(jobs.get(bob, first.id).await.expect("read").is_none());
    }

    async fn a_cancelled_download_stays_so(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let (ada, bob) = (house.person(&store, "ada").await, house.person(&store, "bob").await);
        let id = download(&house, &store, ada, "llama3:8b").await.id;
        let jobs = store.download_jobs();
        jobs.start(id, house.now()).await.expect("started");
        assert!(jobs.request_cancel(bob, id, house.now()).await.expect("tried").is_none());
        let cancelled_at = house.later(1);
        let told = jobs.request_cancel(ada, id, cancelled_at).await.expect("asked").expect("hers");
        assert_eq!((told.status, told.cancel_requested_at), (JobStatus::Cancelled, Some(cancelled_at)));
        assert!(!jobs.set_progress(id, 50.0).await.expect("tried"), "the work is to stop");
        assert!(!jobs.finish(id, JobStatus::Completed, None, house.later(1)).await.expect("tried"));
        let again = jobs.request_cancel(ada, id, house.now()).await.expect("asked").expect("hers");
        assert_eq!((again.status, again.cancel_requested_at), (JobStatus::Cancelled, Some(cancelled_at)));
    }

    async fn a_starting_server_ends_downloads_that_nobody_does_any_more(database: Database) {
        let house = House::new(database).await;
        let store = house.server().await;
        let ada = house.person(&store, "ada").await;
        let id = download(&house, &store, ada, "llama3:8b").await.id;
        store.download_jobs().start(id, house.now()).await.expect("started");
        store.close().await;
        drop(store);
        let restarted_at = house.later(60);
        let left = job(&house.server().await, ada, id).await;
        match database {
            Database::Sqlite => {
                assert_eq!((left.status, left.error.as_deref()), (JobStatus::Failed, Some("the server stopped")));
                assert_eq!(left.finished_at, Some(restarted_at));
            }
            Database::Postgres => assert_eq!(left.status, JobStatus::Running, "another server may be at it"),
        }
    }
}
