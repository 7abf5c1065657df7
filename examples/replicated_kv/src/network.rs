//! Raft's network over Phalanx: a request for each call, a stream for each snapshot. Whom a message is for is a member id and
//! nothing else; where that member is at the moment, and that it is the one, is Phalanx's business.

use std::error::Error;
use std::iter;
use std::time::Duration;

use openraft::error::{
    Fatal, Infallible, NetworkError, RPCError, RaftError, RemoteError, ReplicationClosed,
};
use openraft::error::{StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse};
use openraft::raft::{VoteRequest, VoteResponse};
use openraft::{EmptyNode, OptionalSend, Snapshot, SnapshotMeta, Vote};
use phalanx::member::MemberId;
use phalanx::messaging::Delivery;
use phalanx::{HandlerError, IncomingStream, Messenger, Registration, Request};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::{Id, Raft, TypeConfig};

const APPEND: &str = "raft.append";
const SNAPSHOT: &str = "raft.snapshot";
const VOTE: &str = "raft.vote";

/// Makes a [`Peer`] for each member that Raft wants to talk to.
pub(crate) struct Network(pub(crate) Messenger);

/// One other member.
pub(crate) struct Peer {
    messenger: Messenger,
    id: Id,
}

/// Answers the other members, for as long as the registrations are kept.
pub(crate) fn serve(messenger: &Messenger, raft: &Raft) -> [Registration; 3] {
    let (appending, voting, installing) = (raft.clone(), raft.clone(), raft.clone());
    [
        messenger.handle(APPEND, move |request: Request| {
            let raft = appending.clone();
            async move { encode(&raft.append_entries(decode(&request)?).await) }
        }),
        messenger.handle(VOTE, move |request: Request| {
            let raft = voting.clone();
            async move { encode(&raft.vote(decode(&request)?).await) }
        }),
        messenger.handle_streams(SNAPSHOT, move |stream: IncomingStream| {
            let raft = installing.clone();
            async move {
                if let Err(error) = install(&raft, stream).await {
                    eprintln!("a snapshot did not arrive: {error}");
                }
            }
        }),
    ]
}

fn decode<T: DeserializeOwned>(request: &Request) -> Result<T, HandlerError> {
    Ok(serde_json::from_slice(request.payload())?)
}

fn encode(answer: &impl Serialize) -> Result<Vec<u8>, HandlerError> {
    Ok(serde_json::to_vec(answer)?)
}

/// What goes before a snapshot, in a line of its own.
type Head = (Vote<Id>, SnapshotMeta<Id, EmptyNode>);

async fn install(raft: &Raft, stream: IncomingStream) -> Result<(), HandlerError> {
    let mut stream = BufReader::new(stream.accept());
    let mut head = Vec::new();
    stream.read_until(b'\n', &mut head).await?;
    let (vote, meta): Head = serde_json::from_slice(&head)?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).await?;
    let snapshot = Box::new(bytes);
    let installed = raft
        .install_full_snapshot(vote, Snapshot { meta, snapshot })
        .await;
    stream.write_all(&encode(&installed)?).await?;
    stream.shutdown().await?;
    Ok(())
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Peer;

    async fn new_client(&mut self, target: Id, _: &EmptyNode) -> Peer {
        Peer {
            messenger: self.0.clone(),
            id: target,
        }
    }
}

type CallError = RPCError<Id, EmptyNode, RaftError<Id>>;

impl Peer {
    async fn call<T: DeserializeOwned>(
        &self,
        subject: &str,
        call: &impl Serialize,
        option: &RPCOption,
    ) -> Result<T, CallError> {
        let to = MemberId::new(&self.id.to_string()).map_err(lost)?;
        let call = serde_json::to_vec(call).map_err(lost)?;
        let timeout = option.hard_ttl();
        let answer = self.messenger.request_within(timeout, &to, subject, call);
        let answer = answer.await.map_err(|error| match error.delivery() {
            // It has not left: Raft waits for a while before it tries again.
            Delivery::NotSent => CallError::Unreachable(Unreachable::new(&error)),
            Delivery::Unknown => CallError::Network(lost(error)),
        })?;
        let answer: Result<T, RaftError<Id>> = serde_json::from_slice(&answer).map_err(lost)?;
        Ok(answer.map_err(|error| RemoteError::new(self.id, error))?)
    }

    async fn send(&self, head: &Head, snapshot: &[u8]) -> Result<Vec<u8>, NetworkError> {
        let to = MemberId::new(&self.id.to_string()).map_err(lost)?;
        let mut head = serde_json::to_vec(head).map_err(lost)?;
        head.push(b'\n');
        let stream = self.messenger.open_stream(&to, SNAPSHOT).await;
        let mut stream = stream.map_err(lost)?;
        stream.write_all(&head).await.map_err(lost)?;
        stream.write_all(snapshot).await.map_err(lost)?;
        stream.shutdown().await.map_err(lost)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.map_err(lost)?;
        Ok(answer)
    }
}

fn lost<E: Error + 'static>(error: E) -> NetworkError {
    NetworkError::new(&error)
}

impl RaftNetwork<TypeConfig> for Peer {
    async fn append_entries(
        &mut self,
        call: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<Id>, CallError> {
        self.call(APPEND, &call, &option).await
    }

    async fn vote(
        &mut self,
        call: VoteRequest<Id>,
        option: RPCOption,
    ) -> Result<VoteResponse<Id>, CallError> {
        self.call(VOTE, &call, &option).await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote<Id>,
        snapshot: Snapshot<TypeConfig>,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _: RPCOption,
    ) -> Result<SnapshotResponse<Id>, StreamingError<TypeConfig, Fatal<Id>>> {
        let head = (vote, snapshot.meta);
        let answer = tokio::select! {
            closed = cancel => return Err(closed.into()),
            answer = self.send(&head, &snapshot.snapshot) => answer?,
        };
        let answer: Result<_, RaftError<Id, Infallible>> =
            serde_json::from_slice(&answer).map_err(lost)?;
        answer.map_err(|error| match error {
            RaftError::Fatal(error) => RemoteError::new(self.id, error).into(),
            RaftError::APIError(never) => match never {},
        })
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(iter::repeat(Duration::from_millis(200)))
    }
}
