//! Real processes of the real binary, configured by their environment alone, as an operator meets them.

mod admin;
mod alerts;
mod broker;
mod certs;
mod correlation;
mod dashboard;
mod doctor;
mod failures;
mod flood;
mod judges;
mod lives;
mod local;
mod matrix;
mod refusals;
mod reload;
mod scrapers;
mod secrets;
mod systemd;
mod walk_throughs;
