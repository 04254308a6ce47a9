//! Media files that came with messages; like WAHA's they live for a short time only.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::redaction::debug_shows;

/// A file as it is served.
#[derive(Clone)]
pub(super) struct MediaFile {
    pub(super) bytes: Arc<[u8]>,
    pub(super) mimetype: String,
    pub(super) expires_at_ms: i64,
}

debug_shows!(MediaFile { mimetype, expires_at_ms });

/// The files there are, by path.
pub(super) struct MediaStore {
    files: HashMap<String, MediaFile>,
    oldest_first: VecDeque<String>,
    bytes: usize,
    limit: usize,
}

impl MediaStore {
    pub(super) fn new(limit: usize) -> Self {
        Self { files: HashMap::new(), oldest_first: VecDeque::new(), bytes: 0, limit }
    }

    pub(super) fn insert(&mut self, path: String, file: MediaFile) {
        self.bytes += file.bytes.len();
        if let Some(replaced) = self.files.insert(path.clone(), file) {
            self.bytes -= replaced.bytes.len();
        } else {
            self.oldest_first.push_back(path);
        }
        while self.bytes > self.limit && self.oldest_first.len() > 1 {
            self.forget_oldest();
        }
    }

    /// The file at a path, if it is still there; tidies up what is not.
    pub(super) fn find(&mut self, path: &str, now_ms: i64) -> Option<MediaFile> {
        while let Some(oldest) = self.oldest_first.front().and_then(|path| self.files.get(path))
            && oldest.expires_at_ms <= now_ms
        {
            self.forget_oldest();
        }
        self.files.get(path).filter(|file| file.expires_at_ms > now_ms).cloned()
    }

    fn forget_oldest(&mut self) {
        let path = self.oldest_first.pop_front();
        if let Some(file) = path.and_then(|path| self.files.remove(&path)) {
            self.bytes -= file.bytes.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(length: usize, expires_at_ms: i64) -> MediaFile {
        MediaFile { bytes: vec![0; length].into(), mimetype: "image/jpeg".into(), expires_at_ms }
    }

    #[test]
    fn a_file_is_gone_when_its_time_is_over() {
        let mut store = MediaStore::new(100);
        store.insert("a".into(), file(1, 10));
        assert!(store.find("a", 9).is_some());
        assert!(store.find("a", 10).is_none());
        assert_eq!(store.bytes, 0);
    }

    #[test]
    fn the_oldest_files_make_room() {
        let mut store = MediaStore::new(100);
        store.insert("a".into(), file(60, 10));
        store.insert("b".into(), file(60, 10));
        assert!(store.find("a", 0).is_none());
        assert!(store.find("b", 0).is_some());
    }
}
