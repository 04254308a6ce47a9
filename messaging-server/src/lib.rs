//! The messaging gateway as an HTTP service.

pub mod api;
pub mod auth;
