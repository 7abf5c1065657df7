//! Certificates and gossip keys.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::answer::{ChainFile, Conflict, Either, NotFound};
use crate::admin::context::Context;
use crate::admin::view::{
    CertificatesView, ExaminedView, KeysView, MemberCertificateView, ReloadView,
};
use crate::membership::RotateError;
use crate::node::{RehearseError, ReloadError};

type Failed = Either<NotFound, Conflict>;

pub(super) async fn all(
    State(context): State<Arc<Context>>,
) -> Result<Json<CertificatesView>, NotFound> {
    let status = context.node.certificate_status().ok_or_else(plaintext)?;
    let members = MemberCertificateView::all(&context.node, context.now());
    Ok(Json(CertificatesView::new(status, members)))
}

pub(super) async fn keys(State(context): State<Arc<Context>>) -> Result<Json<KeysView>, NotFound> {
    let keys = context.node.gossip_keys().ok_or_else(plaintext)?;
    Ok(Json(keys.into()))
}

pub(super) async fn rotate_keys(
    State(context): State<Arc<Context>>,
) -> Result<Json<KeysView>, Failed> {
    match context.node.rotate_keys().await {
        Ok(keys) => Ok(Json(keys.into())),
        Err(RotateError::Plaintext) => Err(Either::First(plaintext())),
        Err(error) => Err(Either::Second(Conflict::because(&error))),
    }
}

pub(super) async fn reload(
    State(context): State<Arc<Context>>,
) -> Result<Json<ReloadView>, Failed> {
    match context.node.reload_trust().await {
        Ok(reload) => Ok(Json(reload.into())),
        Err(error @ ReloadError::NoFiles) => Err(Either::First(NotFound::because(&error))),
        Err(error) => Err(Either::Second(Conflict::because(&error))),
    }
}

pub(super) async fn rehearse(
    State(context): State<Arc<Context>>,
    ChainFile(pem): ChainFile,
) -> Result<Json<Vec<ExaminedView>>, Failed> {
    match context.node.rehearse_certificates(pem).await {
        Ok(examined) => Ok(Json(examined.into_iter().map(ExaminedView::from).collect())),
        Err(error @ RehearseError::Plaintext) => Err(Either::First(NotFound::because(&error))),
        Err(error) => Err(Either::Second(Conflict::because(&error))),
    }
}

fn plaintext() -> NotFound {
    NotFound::new("this node has no certificates and no keys: it runs in plaintext")
}
