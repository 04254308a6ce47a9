//! E-mail addresses, as people have them: not all that RFC 5321 allows.

use std::ops::Range;

use super::{begins_word, ends_word};

const LONGEST_LOCAL: usize = 64;
const LONGEST_DOMAIN: usize = 253;

pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let at_signs = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'@');
    at_signs.filter_map(|(at, _)| around(text, at)).collect()
}

fn around(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let local = |byte: &&u8| byte.is_ascii_alphanumeric() || b"._%+-'".contains(byte);
    let mut start = at - bytes[..at].iter().rev().take(LONGEST_LOCAL).take_while(local).count();
    // Quotes and dots before an address are the sentence's.
    while start < at && !bytes[start].is_ascii_alphanumeric() && bytes[start] != b'_' {
        start += 1;
    }
    let domain = |byte: &&u8| byte.is_ascii_alphanumeric() || b".-".contains(byte);
    let mut end = at + 1 + bytes[at + 1..].iter().take(LONGEST_DOMAIN).take_while(domain).count();
    while end > at + 1 && !bytes[end - 1].is_ascii_alphanumeric() {
        end -= 1;
    }
    let (local, domain) = (text.get(start..at)?, text.get(at + 1..end)?);
    let (_, top) = domain.rsplit_once('.')?;
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    let is_one = !local.is_empty()
        && !local.ends_with('.')
        && !local.contains("..")
        && domain.split('.').all(label)
        && top.len() >= 2
        && top.bytes().all(|byte| byte.is_ascii_alphabetic())
        && begins_word(text, start)
        && ends_word(text, end)
        // `user@host:path` and `git@host` with a second @ are something else.
        && bytes.get(end) != Some(&b'@');
    is_one.then_some(start..end)
}
