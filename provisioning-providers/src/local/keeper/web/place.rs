//! Which file of a directory a request means. Nothing outside the directory is ever opened, whatever links say.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

/// What a path of a request leads to.
#[derive(Debug)]
pub(super) enum Place {
    /// A file of a size and a content type.
    File { file: File, size: u64, content_type: &'static str },
    /// A directory, which has this path.
    Moved(String),
    /// Nothing: it is no path.
    Malformed,
    /// Something that is not shown.
    Forbidden,
    /// Nothing.
    Missing,
    /// Something that the system does not give.
    Unreadable,
}

impl From<io::Error> for Place {
    fn from(error: io::Error) -> Self {
        match Errno::from_io_error(&error) {
            Some(Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG) => Self::Missing,
            Some(Errno::ACCESS | Errno::PERM | Errno::LOOP) => Self::Forbidden,
            _ => Self::Unreadable,
        }
    }
}

/// Finds what a path leads to below a root, which has no links in it.
pub(super) fn find(root: &Path, path: &str) -> Place {
    let Some(inside) = decode(path) else { return Place::Malformed };
    if inside.components().any(|part| matches!(part, Component::ParentDir)) {
        return Place::Forbidden;
    }
    open(root, &inside, path).unwrap_or_else(Place::from)
}

fn open(root: &Path, inside: &Path, path: &str) -> io::Result<Place> {
    let Some(mut real) = inside_of(root, &root.join(inside))? else { return Ok(Place::Forbidden) };
    let is_directory = real.is_dir();
    match (is_directory, path.ends_with('/')) {
        (true, false) => return Ok(Place::Moved(with_slash(path))),
        (false, true) => return Ok(Place::Missing),
        _ => {}
    }
    if is_directory {
        match inside_of(root, &real.join("index.html"))? {
            Some(index) => real = index,
            None => return Ok(Place::Forbidden),
        }
    }
    // Without waiting for whoever would write into a named pipe, and never over a link that was put there meanwhile.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(&real, flags, Mode::empty())?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Ok(Place::Forbidden);
    }
    Ok(Place::File { file, size: metadata.len(), content_type: content_type(&real) })
}

/// The path without links, if it lies inside the root.
fn inside_of(root: &Path, path: &Path) -> io::Result<Option<PathBuf>> {
    let real = path.canonicalize()?;
    Ok(real.starts_with(root).then_some(real))
}

/// The relative path that a request's path stands for; `None` when it stands for none.
fn decode(path: &str) -> Option<PathBuf> {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.strip_prefix('/')?.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            bytes.push(hexadecimal(digits[0])? << 4 | hexadecimal(digits[1])?);
            rest = after;
        } else {
            bytes.push(byte);
        }
    }
    if bytes.contains(&0) {
        return None;
    }
    // Slashes at the beginning would make it absolute.
    let begin = bytes.iter().position(|byte| *byte != b'/').unwrap_or(bytes.len());
    Some(PathBuf::from(OsStr::from_bytes(&bytes[begin..])))
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16)?.try_into().ok()
}

/// The path with a slash at its end; one slash at its beginning, since two would name another host.
fn with_slash(path: &str) -> String {
    format!("/{}/", path.trim_matches('/'))
}

fn content_type(path: &Path) -> &'static str {
    match path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase).as_deref() {
        Some("html" | "htm") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("txt" | "md" | "log") => "text/plain; charset=utf-8",
        Some("csv") => "text/csv; charset=utf-8",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("gif") => "image/gif",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("pdf") => "application/pdf",
        Some("wasm") => "application/wasm",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_decoded_or_is_none() {
        for (path, inside) in [("/", ""), ("/a%20b/c", "a b/c"), ("//etc", "etc"), ("/%2fetc", "etc"), ("/%2E%2e/x", "../x")] {
            assert_eq!(decode(path), Some(PathBuf::from(inside)), "{path}");
        }
        for bad in ["", "*", "a", "/%", "/%2", "/%zz", "/%00", "/%+1"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_directory_never_moves_to_another_host() {
        assert_eq!(with_slash("//evil.example/a"), "/evil.example/a/");
    }
}
