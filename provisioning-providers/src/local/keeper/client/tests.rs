//! A keeper that is not there, and logs as files. The keeper itself is tested in `units/tests`.

use std::fs;
use std::os::unix::net::UnixListener;

use tempfile::TempDir;

use super::*;

fn control() -> (TempDir, Control) {
    let directory = TempDir::new().expect("a directory");
    fs::create_dir(directory.path().join("logs")).expect("makes");
    let control = Control { directory: directory.path().to_owned() };
    (directory, control)
}

async fn logged(control: &Control, max_bytes: u64) -> String {
    String::from_utf8(control.log("web", max_bytes).await.expect("reads")).expect("a text")
}

#[tokio::test]
async fn without_a_keeper_a_question_has_no_answer_and_a_change_says_what_to_do() {
    let (directory, control) = control();
    assert_eq!(control.ask(&Request::Status).await.expect("asks"), None);
    control.stop().await.expect("nothing to stop");
    let error = control.remove("web").await.expect_err("nobody is there");
    assert_eq!((error.kind(), error.hint()), (ErrorKind::Unavailable, Some("apply again starts it")));
    assert!(error.to_string().ends_with("it is not running"), "{error}");
    drop(directory);
    assert_eq!(control.ask(&Request::Status).await.expect("asks"), None);
}

#[tokio::test]
async fn a_socket_that_nobody_listens_on_is_no_keeper() {
    let (directory, control) = control();
    drop(UnixListener::bind(directory.path().join("socket")).expect("binds"));
    assert_eq!(control.ask(&Request::Status).await.expect("asks"), None);
}

#[tokio::test]
async fn a_keeper_that_goes_away_leaves_in_doubt_what_it_did() {
    let (directory, control) = control();
    let listener = UnixListener::bind(directory.path().join("socket")).expect("binds");
    let gone = std::thread::spawn(move || drop(listener.accept()));
    let error = control.remove("web").await.expect_err("no answer");
    assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Unsure));
    gone.join().expect("ends");
}

#[tokio::test]
async fn a_log_is_read_from_the_beginning_of_a_line_over_its_predecessors() {
    let (directory, control) = control();
    assert_eq!(logged(&control, 100).await, "");
    for (name, text) in [("web.log.2", "one\ntwo\n"), ("web.log.1", "three\n"), ("web.log", "four\nfive\n")] {
        fs::write(directory.path().join("logs").join(name), text).expect("writes");
    }
    assert_eq!(logged(&control, 100).await, "one\ntwo\nthree\nfour\nfive\n");
    assert_eq!(logged(&control, 24).await, "one\ntwo\nthree\nfour\nfive\n");
    assert_eq!(logged(&control, 23).await, "two\nthree\nfour\nfive\n");
    assert_eq!(logged(&control, 10).await, "four\nfive\n");
    assert_eq!(logged(&control, 9).await, "five\n");
    assert_eq!(logged(&control, 3).await, "ve\n", "a line longer than the limit");
    assert_eq!(logged(&control, 0).await, "");
}

#[tokio::test]
async fn a_log_is_no_way_to_other_files() {
    let (directory, control) = control();
    fs::write(directory.path().join("secret.log"), "secret").expect("writes");
    assert_eq!(control.log("../secret", 10).await.expect_err("is no name").kind(), ErrorKind::Invalid);
}

#[test]
fn a_file_put_aside_between_two_looks_is_read_once() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), "text").expect("writes");
    let mut seen = BTreeSet::new();
    let mut look = || tail(File::open(file.path()).expect("opens"), 10, &mut seen).expect("reads");
    assert_eq!((look(), look()), (b"text".to_vec(), Vec::new()));
}
