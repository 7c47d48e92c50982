//! Volumes on real directories; crashes are played by making by hand what a call leaves when it is cut short.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::Arc;

use provisioning_core::name::StepId;
use provisioning_core::testing::{RecordingReporter, context};
use tempfile::TempDir;

use super::*;

struct World {
    directory: TempDir,
    volume: Volume,
}

impl World {
    fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let workspace = directory.path().join("workspace");
        fs::create_dir(&workspace).expect("makes");
        let volume = Volume::new(Root::new(workspace.clone()), Site::of(&workspace.join(".provisioning")));
        Self { directory, volume }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join("workspace").join(name)
    }

    async fn create(&self, path: Option<&str>) -> Result<State> {
        let spec = Spec { path: path.map(PathBuf::from), mode: Mode(0o750) };
        self.volume.create(&step("create"), spec).await.map(done)
    }

    async fn delete(&self, state: &State) -> Result<()> {
        self.volume.delete(&step("delete"), state.clone()).await.map(done)
    }
}

fn step(verb: &str) -> Context {
    context(&StepId::parse(&format!("data/{verb}")).expect("a step"), 1, Arc::new(RecordingReporter::default()))
}

fn done<T>(reply: Reply<T>) -> T {
    match reply {
        Reply::Done(value) => value,
        Reply::Wait { phase, .. } => panic!("a volume waits for nothing, least of all for {phase}"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("exists").permissions().mode() & 0o7777
}

fn names(path: &Path) -> Vec<String> {
    let listed = fs::read_dir(path).expect("lists");
    let mut names: Vec<_> = listed.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_volume_without_a_path_lies_in_the_state_where_nobody_else_looks() {
    let world = World::new();
    let made = world.create(None).await.expect("creates");
    assert_eq!(made.path(), world.path(".provisioning/local/volumes/data"));
    assert_eq!((mode(made.path()), mode(&world.path(".provisioning/local"))), (0o750, 0o700));
    world.delete(&made).await.expect("deletes");
    assert_eq!(names(&world.path(".provisioning")), Vec::<String>::new(), "nothing of an empty site stays");
}

#[tokio::test]
async fn delete_removes_what_is_in_it_and_follows_no_link() {
    let world = World::new();
    fs::create_dir(world.path("outside")).and_then(|()| fs::write(world.path("outside/kept"), "")).expect("makes");
    let made = world.create(Some("data")).await.expect("creates");
    fs::create_dir_all(world.path("data/deep/er")).expect("makes");
    fs::write(world.path("data/deep/er/file"), "x").expect("writes");
    symlink(world.path("outside"), world.path("data/link")).expect("links");
    fs::set_permissions(world.path("data/deep"), fs::Permissions::from_mode(0o500)).expect("changes");
    world.delete(&made).await.expect("deletes");
    world.delete(&made).await.expect("deletes what is gone");
    assert_eq!(names(&world.path("")), ["outside"]);
    assert!(world.path("outside/kept").exists());
}

#[tokio::test]
async fn a_delete_that_was_cut_short_is_finished_by_the_next() {
    let world = World::new();
    let made = world.create(Some("data")).await.expect("creates");
    fs::write(world.path("data/file"), "x").expect("writes");
    let digest = provisioning_core::digest::Digest::of(made.path().as_os_str().as_encoded_bytes());
    let moved = world.path(&format!(".data.{}.deleted", digest.short()));
    fs::rename(world.path("data"), &moved).expect("moves");
    assert_eq!(directory::read(&[made.path().display().to_string()]).expect("reads"), [None]);
    world.delete(&made).await.expect("deletes");
    assert_eq!(names(&world.path("")), Vec::<String>::new());
}

#[tokio::test]
async fn what_was_there_before_is_refused_and_untouched() {
    let world = World::new();
    fs::create_dir(world.path("theirs")).and_then(|()| fs::write(world.path("theirs/kept"), "")).expect("makes");
    let error = world.create(Some("theirs")).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!((names(&world.path("")), names(&world.path("theirs"))), (vec!["theirs".to_owned()], vec!["kept".to_owned()]));
}

#[tokio::test]
async fn a_place_that_holds_the_workspace_or_its_volumes_is_refused() {
    let world = World::new();
    let workspace = world.path("").components().collect::<PathBuf>();
    let above = world.directory.path();
    for place in [&workspace, above, &world.path(".provisioning"), &world.path(".provisioning/local/volumes")] {
        let error = world.create(place.to_str()).await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::Invalid, "{place:?}");
        assert!(error.to_string().starts_with(&format!("`{}` cannot be a volume: it holds `", place.display())), "{error}");
        let claimed: State = serde_json::from_value(serde_json::json!({ "id": place })).expect("is a state");
        assert_eq!(world.delete(&claimed).await.expect_err("refused").kind(), ErrorKind::Invalid);
    }
    assert_eq!(world.create(Some("/")).await.expect_err("refused").kind(), ErrorKind::Invalid);
    assert!(workspace.is_dir());
}

#[test]
fn a_mount_inside_is_seen() {
    assert_eq!(mounted_inside(Path::new("/proc")), Some("/proc".into()));
    let directory = TempDir::new().expect("a directory");
    assert_eq!(mounted_inside(directory.path()), None);
    assert_eq!(unescaped(br"/mnt/a\040b\134c"), Path::new(r"/mnt/a b\c"));
}
