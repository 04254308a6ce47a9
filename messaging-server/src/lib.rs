//! The messaging gateway as an HTTP service.

pub mod api;
pub mod audit;
pub mod auth;
pub mod cli;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod listening;
pub mod media;
pub mod shutdown;
pub mod telemetry;
pub mod wiring;
