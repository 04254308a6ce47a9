//! Addresses of computers. Those that every computer has, such as 127.0.0.1, say nothing of anybody.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use super::is_named;

/// The longest that an address is written: version 6 with one of version 4 at its end.
const LONGEST: usize = 45;

pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let bytes = text.as_bytes();
    let belongs = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'_') || byte >= 0x80
    };
    let (mut found, mut at) = (Vec::new(), 0);
    while at < bytes.len() {
        if !belongs(bytes[at]) {
            at += 1;
            continue;
        }
        let start = at;
        while at < bytes.len() && belongs(bytes[at]) {
            at += 1;
        }
        found.extend(word(text, start, at));
    }
    found
}

fn word(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    // What ends a sentence, or begins what it says, belongs to no address; but `::1` begins with two.
    let word = text.get(start..end)?;
    let trimmed = word.trim_end_matches('.');
    let trimmed = if trimmed.ends_with("::") { trimmed } else { trimmed.trim_end_matches(':') };
    if trimmed.len() > LONGEST + 6 {
        return None;
    }
    if let Some(length) = v6(trimmed) {
        return Some(start..start + length);
    }
    // With a port behind it.
    let host = trimmed.split(':').next().unwrap_or_default();
    let port = trimmed.get(host.len()..)?;
    let is_port =
        port.is_empty() || (port.len() <= 6 && port[1..].bytes().all(|byte| byte.is_ascii_digit()));
    let address: Ipv4Addr = host.parse().ok()?;
    let versions = ["version", "versión", "versione", "release", "firmware", "build", "v"];
    let is_one = is_port && says_something(address.into()) && !is_named(text, start, &versions);
    is_one.then_some(start..start + host.len())
}

fn v6(word: &str) -> Option<usize> {
    let colons = word.bytes().filter(|byte| *byte == b':').count();
    let digits = word.bytes().any(|byte| byte.is_ascii_digit());
    if colons < 2 || !digits {
        return None;
    }
    let address: Ipv6Addr = word.parse().ok()?;
    says_something(address.into()).then_some(word.len())
}

fn says_something(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !address.is_loopback() && address.octets()[0] != 0 && !address.is_broadcast()
                // A netmask.
                && address.octets()[0] != 255
        }
        IpAddr::V6(address) => !address.is_loopback() && address.segments()[0] != 0,
    }
}
