//! From a configuration to a running node. Everything that can fail does so here, before the first byte is sent.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::advertise;
use super::clock::{self, Clock, wall_clock};
use super::driver::{Driver, Setup};
use super::error::{Setting, StartError};
use super::handle::{COMMANDS_MAX, EventStream, Node, Shared};
use super::messenger::Messaging;
use super::options::{NodeConfig, NodeSecurity};
use super::quic::Quic;
use super::token::TokenSource;
use super::work::Dialling;
use crate::membership::{LocalMember, Membership, Options};
use crate::seal::{JoinToken, Seed};
use crate::transport::quic::Endpoint;
use crate::transport::tcp::{BindError, Listener};
use crate::transport::udp::Udp;
use crate::transport::{Security, Transport, tcp};
use crate::trust::{Trust, TrustOptions};

/// What a node stands on.
pub(super) struct Ground {
    pub(super) clock: Clock,
    pub(super) trust: Option<Trust>,
    pub(super) seed: Seed,
    pub(super) listener: Listener,
    pub(super) udp: Option<Udp>,
    /// What the listener is bound to.
    pub(super) bound: SocketAddr,
    pub(super) dialling: Dialling,
    pub(super) options: Options,
}

/// Loads what must be loaded, binds what must be bound, and resolves what others are told.
pub(super) async fn prepare(config: NodeConfig) -> Result<Ground, StartError> {
    config.check()?;
    let clock = Clock::start();
    let trust = load_trust(&config)?;
    let token = config.token.as_ref().map(load_token).transpose()?;
    let seed = Seed::new(clock::entropy().map_err(StartError::Entropy)?);
    let bind = resolve(Setting::Bind, &config.bind_host, config.bind_port, None).await?;
    let (listener, udp) = tcp::bind(bind, config.udp, &config.sockets)?;
    let bound = listener.local_addr().map_err(|source| BindError {
        protocol: "TCP",
        addr: bind,
        source,
    })?;
    let advertised = advertised(&config, bound).await?;
    let quic = bind_quic(&config, bound, trust.as_ref())?;
    let dialling = Dialling {
        quic: quic.clone(),
        source: bind.ip(),
        options: config.sockets,
        security: watch::Sender::new(trust.clone().map_or(Security::Plain, Security::Tls)),
        deadline: config.handshake_timeout,
    };
    let mut options = config.into_options(advertised, trust.as_ref(), token);
    options.local.quic = quic.map(|quic| quic.seen().port);
    Ok(Ground {
        clock,
        trust,
        seed,
        listener,
        udp,
        bound,
        dialling,
        options,
    })
}

/// Starts a node. Its events are listened to before it does anything.
pub(super) async fn start(config: NodeConfig) -> Result<(Node, EventStream), StartError> {
    let slack = config.membership.probe_interval / 4;
    let reload_interval = config.reload_interval;
    let files = match &config.security {
        Some(NodeSecurity::Files(files)) => Some(TrustOptions::clone(files)),
        Some(NodeSecurity::Loaded(_)) | None => None,
    };
    let contacts = config.contact_points.clone();
    let (messaging, wanted) = Messaging::new(config.id.clone(), config.messaging);
    let Ground {
        clock,
        trust,
        seed,
        listener,
        udp,
        bound,
        dialling,
        options,
    } = prepare(config).await?;
    let LocalMember { id, advertised, .. } = &options.local;
    tracing::info!(member = %id, %bound, %advertised, tls = trust.is_some(), udp = udp.is_some(), quic = ?options.local.quic, "listening");
    let mut core = Membership::new(clock.now(), options, seed);
    core.watch_pairs();
    let shared = Arc::new(Shared::new(
        core,
        udp.as_ref().map(Udp::errors).unwrap_or_default(),
        dialling.quic.as_ref().map(|quic| quic.seen()),
        messaging,
    ));
    if let Some(trust) = &trust {
        shared.set_trust(trust);
    }
    let (sender, commands) = mpsc::channel(COMMANDS_MAX);
    let driver = Driver::new(Setup {
        shared: Arc::clone(&shared),
        clock,
        trust,
        listener,
        udp,
        dialling,
        commands,
        wanted,
        slack,
        files,
        reload_interval,
    });
    let node = Node::new(shared, sender);
    let events = node.events();
    tokio::spawn(driver.run(move |core, now| core.join(now, &contacts)));
    Ok((node, events))
}

/// The QUIC endpoint, where it is configured, at its port: unless set, the one behind the listener's, or a free one where that was
/// found as well.
fn bind_quic(
    config: &NodeConfig,
    bound: SocketAddr,
    trust: Option<&Trust>,
) -> Result<Option<Arc<Quic>>, StartError> {
    let (Transport::Quic, Some(trust)) = (config.transport, trust) else {
        return Ok(None);
    };
    let next = || config.bind_port.checked_add(1).filter(|port| *port > 1);
    let port = config.quic_port.or_else(next).unwrap_or(0);
    let addr = SocketAddr::new(bound.ip(), port);
    let endpoint = Endpoint::bind(addr, &config.sockets, trust).map_err(StartError::BindQuic)?;
    Ok(Some(Arc::new(Quic::new(endpoint))))
}

fn load_trust(config: &NodeConfig) -> Result<Option<Trust>, StartError> {
    match &config.security {
        None => Ok(None),
        Some(NodeSecurity::Loaded(trust)) => Ok(Some(trust.clone())),
        Some(NodeSecurity::Files(files)) => {
            let (trust, warnings) = Trust::load(files, wall_clock())?;
            for warning in warnings {
                tracing::warn!("{warning}");
            }
            Ok(Some(trust))
        }
    }
}

fn load_token(source: &TokenSource) -> Result<JoinToken, StartError> {
    let (token, weakness) = source.load()?;
    if let Some(weakness) = weakness {
        tracing::warn!(
            "the join token is easily guessed: {weakness}; `openssl rand -hex 32` makes a good one"
        );
    }
    Ok(token)
}

async fn resolve(
    setting: Setting,
    host: &str,
    port: u16,
    like: Option<IpAddr>,
) -> Result<SocketAddr, StartError> {
    let resolved = advertise::resolve_one(host, port, like).await;
    resolved.map_err(|source| StartError::Resolve {
        setting,
        host: host.to_owned(),
        source,
    })
}

async fn advertised(config: &NodeConfig, bound: SocketAddr) -> Result<SocketAddr, StartError> {
    let port = config.advertised_port.unwrap_or_else(|| bound.port());
    match &config.advertised_host {
        Some(host) => resolve(Setting::AdvertisedHost, host, port, Some(bound.ip())).await,
        None => Ok(SocketAddr::new(advertise::computed(bound.ip()).await, port)),
    }
}
