//! The server on a socket of its own, asked by hand: a client library would repair what is asked here on purpose.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

/// A directory with files, and the answer to a request for it.
struct Site {
    directory: TempDir,
    address: SocketAddr,
}

impl Site {
    async fn new() -> Self {
        let directory = TempDir::new().expect("a directory");
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("sub/empty")).expect("makes");
        fs::write(directory.path().join("secret"), "secret").expect("writes");
        fs::write(root.join("index.html"), "<p>hello").expect("writes");
        fs::write(root.join("sub/index.html"), "below").expect("writes");
        fs::write(root.join("a b.css"), "p {}").expect("writes");
        symlink("../secret", root.join("escape")).expect("links");
        symlink("..", root.join("up")).expect("links");
        symlink("a b.css", root.join("inner")).expect("links");
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has one");
        let root = root.canonicalize().expect("exists");
        tokio::spawn(async move { accept(&listener, root.into()).await });
        Self { directory, address }
    }

    async fn ask(&self, method: &str, path: &str) -> (u16, String, String) {
        let mut stream = TcpStream::connect(self.address).await.expect("connects");
        let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("asks");
        let mut response = String::new();
        stream.read_to_string(&mut response).await.expect("answers");
        let (head, body) = response.split_once("\r\n\r\n").expect("a head");
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).expect("a status");
        (status, head.to_lowercase(), body.to_owned())
    }

    async fn status(&self, path: &str) -> u16 {
        self.ask("GET", path).await.0
    }
}

#[tokio::test]
async fn a_file_is_sent_with_its_type_and_size() {
    let site = Site::new().await;
    let (status, head, body) = site.ask("GET", "/a%20b.css?version=2").await;
    assert_eq!((status, body.as_str()), (200, "p {}"));
    assert!(head.contains("content-type: text/css; charset=utf-8"), "{head}");
    assert!(head.contains("content-length: 4"), "{head}");
    assert_eq!(site.status("/inner").await, 200, "a link inside the root");
}

#[tokio::test]
async fn a_large_file_arrives_whole() {
    let site = Site::new().await;
    let content = "0123456789abcdef".repeat(50_000);
    fs::write(site.directory.path().join("root/large.txt"), &content).expect("writes");
    assert!(site.ask("GET", "/large.txt").await.2 == content);
}

#[tokio::test]
async fn a_directory_shows_its_index_behind_a_slash_and_nothing_else() {
    let site = Site::new().await;
    assert_eq!(site.ask("GET", "/").await.2, "<p>hello");
    assert_eq!(site.ask("GET", "/sub/").await.2, "below");
    let (status, head, _) = site.ask("GET", "/sub").await;
    assert_eq!(status, 301);
    assert!(head.contains("location: /sub/\r\n"), "{head}");
    assert_eq!(site.status("/sub/empty/").await, 404);
    assert_eq!(site.status("/index.html/").await, 404);
}

#[tokio::test]
async fn a_head_has_no_body() {
    let site = Site::new().await;
    let (status, head, body) = site.ask("HEAD", "/").await;
    assert_eq!((status, body.as_str()), (200, ""));
    assert!(head.contains("content-length: 8"), "{head}");
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let site = Site::new().await;
    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let (status, head, _) = site.ask(method, "/").await;
        assert_eq!(status, 405);
        assert!(head.contains("allow: get, head"), "{head}");
    }
}

#[tokio::test]
async fn nothing_outside_the_root_is_sent() {
    let site = Site::new().await;
    let outside = site.directory.path().join("secret");
    let absolute = format!("/{}", outside.display());
    let paths = ["/../secret", "/..%2fsecret", "/%2e%2e/secret", "/sub/../../secret", "/escape", "/up/secret", "/up/", "/%2e%2e"];
    for path in paths {
        let (status, _, body) = site.ask("GET", path).await;
        assert_eq!((status, body.as_str()), (403, "403 Forbidden\n"), "{path}");
    }
    assert_eq!(site.status(&absolute).await, 404);
}

#[tokio::test]
async fn what_is_no_file_is_neither_sent_nor_waited_for() {
    let site = Site::new().await;
    let pipe = site.directory.path().join("root/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("runs").success());
    assert_eq!(site.status("/pipe").await, 403);
    assert_eq!(site.ask("GET", "/missing").await, {
        let (_, head, _) = site.ask("GET", "/missing").await;
        (404, head, "404 Not Found\n".into())
    });
    assert_eq!(site.status("/%zz").await, 400);
}

#[test]
fn arguments_are_complete_or_refused() {
    let parse = |line: &str| parse(line.split(' ').map(OsString::from));
    let options = parse("--root /srv --port 8080 --address ::1").expect("parses");
    assert_eq!(options, Options { address: "[::1]:8080".parse().expect("parses"), root: "/srv".into() });
    for bad in ["--root /srv --port 8080", "--root", "--port x --root /srv --address ::1", "--size 1"] {
        assert_eq!(parse(bad).expect_err(bad).kind(), ErrorKind::Invalid);
    }
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("binds");
    let address = taken.local_addr().expect("has one");
    let root = TempDir::new().expect("a directory");
    let port = address.port().to_string();
    let arguments = ["--address", "127.0.0.1", "--port", &port, "--root"].map(OsString::from);
    let error = serve(arguments.into_iter().chain([root.path().into()])).expect_err("is taken");
    assert_eq!(error.to_string(), format!("`{address}` is in use"));
}
