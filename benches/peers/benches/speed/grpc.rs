//! gRPC by tonic: one unary method that gives its bytes back, over the very TLS of the bare connections.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use hyper_util::rt::TokioIo;
use peers::Failed;
use peers::bare;
use peers::site::Site;
use tonic::body::Body;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{NamedService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

/// As much as our windows for calls are, so that none waits for one.
const WINDOW: u32 = 8 << 20;

/// One HTTP/2 connection to a server that answers with what it is asked. Clones share it.
#[derive(Clone)]
pub(crate) struct Echo(Grpc<Channel>);

impl Echo {
    pub(crate) async fn connect(site: &Site) -> Result<Self, Failed> {
        let (dialer, listener) = bare::tls(site, b"h2").await?;
        let incoming = tokio_stream::once(Ok::<_, std::io::Error>(listener));
        let server = Server::builder()
            .initial_connection_window_size(WINDOW)
            .initial_stream_window_size(WINDOW)
            .add_service(EchoService)
            .serve_with_incoming(incoming);
        tokio::spawn(server);
        let mut dialer = Some(dialer);
        let connector = tower::service_fn(move |_| {
            let dialled = dialer.take().map(TokioIo::new);
            ready(dialled.ok_or_else(|| std::io::Error::other("it was lost")))
        });
        let channel = Endpoint::from_static("http://peer")
            .initial_connection_window_size(WINDOW)
            .initial_stream_window_size(WINDOW)
            .connect_with_connector(connector)
            .await?;
        Ok(Self(Grpc::new(channel)))
    }

    pub(crate) async fn ask(&mut self, payload: Bytes) -> Result<Bytes, Failed> {
        self.0.ready().await?;
        let path = PathAndQuery::from_static("/peers.Echo/Ask");
        let asked = self.0.unary(Request::new(payload), path, Raw);
        Ok(asked.await?.into_inner())
    }
}

#[derive(Clone)]
struct EchoService;

impl NamedService for EchoService {
    const NAME: &'static str = "peers.Echo";
}

impl tower::Service<http::Request<Body>> for EchoService {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::pin::Pin<
        Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send + 'static>,
    >;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(Raw);
            Ok(grpc.unary(Ask, request).await)
        })
    }
}

struct Ask;

impl UnaryService<Bytes> for Ask {
    type Response = Bytes;
    type Future = Ready<Result<Response<Bytes>, Status>>;

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        ready(Ok(Response::new(request.into_inner())))
    }
}

/// Bytes as they are, without protobuf around them.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
