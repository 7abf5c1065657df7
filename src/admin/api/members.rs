//! Members, what lies between them, and who is none.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;

use super::answer::{Begun, Conflict, Either, Named, NotFound};
use crate::admin::context::Context;
use crate::admin::view::{
    ConnectionView, LinkView, MemberCertificateView, MemberDetailView, MemberView, PairView,
    RefusalView, SuspicionView, TopologyView, UntrustedView,
};
use crate::member::MemberId;
use crate::membership::ForgetError;

pub(super) async fn all(State(context): State<Arc<Context>>) -> Json<Vec<MemberView>> {
    Json(MemberView::all(&context.node.members()))
}

pub(super) async fn one(
    State(context): State<Arc<Context>>,
    Named(id): Named,
) -> Result<Json<MemberDetailView>, NotFound> {
    let node = &context.node;
    let unknown = || NotFound::new(format!("no member of the id {id} is held"));
    let member = node.member(&id).ok_or_else(unknown)?;
    let suspicions = node.suspicions();
    let accusers = suspicions.into_iter().find(|(suspect, _)| *suspect == id);
    let connections = node.connections().into_iter();
    let connections = connections.filter(|connection| connection.member == id);
    let certificates = MemberCertificateView::all(node, context.now());
    let mut certificates = certificates.into_iter();
    Ok(Json(MemberDetailView {
        member: MemberView::new(&member, *node.local().id() == id),
        suspected_by: accusers
            .map(|found| SuspicionView::from(found).by)
            .unwrap_or_default(),
        connections: connections.map(ConnectionView::from).collect(),
        probes: node.pair_health(&id).map(PairView::from),
        certificate: certificates.find(|certificate| certificate.member == id.as_str()),
    }))
}

pub(super) async fn forget(
    State(context): State<Arc<Context>>,
    Named(id): Named,
) -> Result<Begun, Either<NotFound, Conflict>> {
    match context.node.forget(&id).await {
        Ok(()) => Ok(Begun::begun()),
        Err(error @ ForgetError::Unknown) => Err(Either::First(NotFound::because(&error))),
        Err(error) => Err(Either::Second(Conflict::because(&error))),
    }
}

pub(super) async fn topology(State(context): State<Arc<Context>>) -> Json<TopologyView> {
    let node = &context.node;
    let members = MemberView::all(&node.members());
    let mut connections: BTreeMap<MemberId, Vec<ConnectionView>> = BTreeMap::new();
    for connection in node.connections() {
        let to = connections.entry(connection.member.clone()).or_default();
        to.push(connection.into());
    }
    let others = members
        .iter()
        .filter(|member| !member.is_self && member.state.is_live());
    let links = others.filter_map(|member| {
        let id = MemberId::new(&member.id).ok()?;
        Some(LinkView {
            member: member.id.clone(),
            probes: node.pair_health(&id).map(PairView::from),
            connections: connections.remove(&id).unwrap_or_default(),
        })
    });
    Json(TopologyView {
        observer: node.local().id().to_string(),
        links: links.collect(),
        suspicions: node
            .suspicions()
            .into_iter()
            .map(SuspicionView::from)
            .collect(),
        members,
    })
}

pub(super) async fn connections(State(context): State<Arc<Context>>) -> Json<Vec<ConnectionView>> {
    let connections = context.node.connections().into_iter();
    Json(connections.map(ConnectionView::from).collect())
}

pub(super) async fn refusals(State(context): State<Arc<Context>>) -> Json<Vec<RefusalView>> {
    let refusals = context.node.refusals().into_iter();
    Json(refusals.map(RefusalView::from).collect())
}

pub(super) async fn untrusted(State(context): State<Arc<Context>>) -> Json<Vec<UntrustedView>> {
    let untrusted = context.node.untrusted().into_iter();
    Json(untrusted.map(UntrustedView::from).collect())
}
