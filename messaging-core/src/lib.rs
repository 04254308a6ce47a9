#![doc = include_str!("../README.md")]

#[cfg(feature = "testing")]
pub mod conformance;
pub mod domain;
pub mod memory;
mod named;
pub mod ports;
