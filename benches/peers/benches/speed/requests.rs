//! Requests and their replies: how many in a second beside gRPC, and how long one takes beside a bare exchange of frames.

use bytes::{BufMut, Bytes, BytesMut};
use peers::bare::{self, Duplex};
use peers::ratio::{Goal, Ratio, Unit, percentile};
use peers::site::{Site, Way, check_way, id};
use peers::{Args, Failed};
use phalanx::{HandlerError, Messenger, Node, Registration, Request};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::done;
use crate::grpc::Echo;

/// How many are asked in a round.
const COUNT: usize = 16_000;
/// How many at a time, where many are.
const MANY: usize = 64;

pub(crate) async fn measure(args: &Args, site: &Site) -> Result<Vec<Ratio>, Failed> {
    let mut ratios = Vec::new();
    for len in [128, 4 * 1024] {
        let [alone, alone_grpc, many] = [
            format!("request-{len}-alone"),
            format!("request-{len}-alone-grpc"),
            format!("request-{len}-by-{MANY}-grpc"),
        ];
        if args.wants(&alone) {
            let ratio = Ratio::new(alone, "frames", Unit::Seconds, Goal::AtMost(1.25));
            ratios.push(beside_frames(args, site, ratio, len).await?);
        }
        if args.wants(&alone_grpc) {
            let ratio = Ratio::new(alone_grpc, "tonic", Unit::Seconds, Goal::None);
            ratios.push(beside_grpc(args, site, ratio, len, 1).await?);
        }
        if args.wants(&many) {
            let ratio = Ratio::new(many, "tonic", Unit::PerSecond, Goal::AtLeast(2.0));
            ratios.push(beside_grpc(args, site, ratio, len, MANY).await?);
        }
    }
    Ok(ratios)
}

/// The median of the times that one request takes, none beside it.
async fn beside_frames(
    args: &Args,
    site: &Site,
    mut ratio: Ratio,
    len: usize,
) -> Result<Ratio, Failed> {
    let ours = Ours::start(site, Way::Tls).await?;
    let mut frames = Some(Frames::start(site).await?);
    let count = args.amount(COUNT / 4);
    for round in 0..=args.rounds() {
        let our_time = median(ours.ask_alone(count, len).await?);
        let mut peer = frames.take().ok_or("the connection was lost")?;
        let asking = tokio::spawn(async move {
            let times = peer.ask(count, len).await?;
            Ok::<_, Failed>((times, peer))
        });
        let (times, peer) = asking.await??;
        frames = Some(peer);
        if round > 0 {
            ratio.add(our_time, median(times));
        }
    }
    Ok(done(ratio))
}

async fn beside_grpc(
    args: &Args,
    site: &Site,
    mut ratio: Ratio,
    len: usize,
    at_a_time: usize,
) -> Result<Ratio, Failed> {
    let ours = Ours::start(site, Way::Tls).await?;
    let grpc = Echo::connect(site).await?;
    for round in 0..=args.rounds() {
        let figures = if at_a_time == 1 {
            let count = args.amount(COUNT / 4);
            let ours = median(ours.ask_alone(count, len).await?);
            (ours, median(grpc_alone(grpc.clone(), count, len).await?))
        } else {
            let count = args.amount(COUNT) / at_a_time;
            let ours = rate(at_a_time, count, || ours.asker(count, len)).await?;
            let theirs = rate(at_a_time, count, || grpc_asker(grpc.clone(), count, len)).await?;
            (ours, theirs)
        };
        if round > 0 {
            ratio.add(figures.0, figures.1);
        }
    }
    Ok(done(ratio))
}

/// How many are answered in a second, if so many ask `count` each, one after another.
async fn rate<F>(askers: usize, count: usize, asker: impl Fn() -> F) -> Result<f64, Failed>
where
    F: Future<Output = Result<(), Failed>> + Send + 'static,
{
    let began = Instant::now();
    let mut asking = JoinSet::new();
    for _ in 0..askers {
        asking.spawn(asker());
    }
    while let Some(asked) = asking.join_next().await {
        asked??;
    }
    Ok((askers * count) as f64 / began.elapsed().as_secs_f64())
}

/// Two nodes, of which the second gives back what it is asked.
pub(crate) struct Ours {
    pub(crate) nodes: Vec<Node>,
    _echo: Registration,
}

impl Ours {
    pub(crate) async fn start(site: &Site, way: Way) -> Result<Self, Failed> {
        let ours = Self::between(site.nodes(way, 2).await?);
        ours.ask_alone(1, 1).await?;
        check_way(&ours.nodes[0], way)?;
        Ok(ours)
    }

    pub(crate) fn between(nodes: Vec<Node>) -> Self {
        let echo = async |request: Request| Ok::<_, HandlerError>(request.into_payload());
        let echo = nodes[1].messenger().handle("echo", echo);
        Self { nodes, _echo: echo }
    }

    /// How long each of `count` requests takes, in seconds.
    pub(crate) async fn ask_alone(&self, count: usize, len: usize) -> Result<Vec<f64>, Failed> {
        let messenger = self.nodes[0].messenger();
        let asking = async move {
            let payload = payload(len);
            let mut times = Vec::with_capacity(count);
            for _ in 0..count {
                let began = Instant::now();
                ask(&messenger, &payload).await?;
                times.push(began.elapsed().as_secs_f64());
            }
            Ok(times)
        };
        tokio::spawn(asking).await?
    }

    fn asker(
        &self,
        count: usize,
        len: usize,
    ) -> impl Future<Output = Result<(), Failed>> + Send + 'static {
        let messenger = self.nodes[0].messenger();
        async move {
            let payload = payload(len);
            for _ in 0..count {
                ask(&messenger, &payload).await?;
            }
            Ok(())
        }
    }
}

async fn ask(messenger: &Messenger, payload: &Bytes) -> Result<(), Failed> {
    let reply = messenger.request(&id(2), "echo", payload.clone()).await?;
    match reply.len() == payload.len() {
        true => Ok(()),
        false => Err("another reply".into()),
    }
}

async fn grpc_alone(mut grpc: Echo, count: usize, len: usize) -> Result<Vec<f64>, Failed> {
    let asking = async move {
        let payload = payload(len);
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            grpc.ask(payload.clone()).await?;
            times.push(began.elapsed().as_secs_f64());
        }
        Ok(times)
    };
    tokio::spawn(asking).await?
}

async fn grpc_asker(mut grpc: Echo, count: usize, len: usize) -> Result<(), Failed> {
    let payload = payload(len);
    for _ in 0..count {
        grpc.ask(payload.clone()).await?;
    }
    Ok(())
}

/// Frames on a bare TLS connection, a length of four bytes before each, and a task at its other end that gives them back.
struct Frames {
    stream: BufReader<Box<dyn Duplex>>,
    frame: BytesMut,
    reply: Vec<u8>,
}

impl Frames {
    async fn start(site: &Site) -> Result<Self, Failed> {
        let (dialer, listener) = bare::connect(site, Way::Tls).await?;
        let mut listening = Self::on(listener);
        tokio::spawn(async move {
            while listening.read().await.is_ok() {
                let reply = std::mem::take(&mut listening.reply);
                listening.write(&reply).await?;
                listening.reply = reply;
            }
            Ok::<_, Failed>(())
        });
        Ok(Self::on(dialer))
    }

    fn on(stream: Box<dyn Duplex>) -> Self {
        Self {
            stream: BufReader::new(stream),
            frame: BytesMut::new(),
            reply: Vec::new(),
        }
    }

    async fn ask(&mut self, count: usize, len: usize) -> Result<Vec<f64>, Failed> {
        let payload = payload(len);
        let mut times = Vec::with_capacity(count);
        for _ in 0..count {
            let began = Instant::now();
            self.write(&payload).await?;
            self.read().await?;
            times.push(began.elapsed().as_secs_f64());
        }
        Ok(times)
    }

    async fn write(&mut self, payload: &[u8]) -> Result<(), Failed> {
        self.frame.clear();
        self.frame.put_u32(u32::try_from(payload.len())?);
        self.frame.put_slice(payload);
        self.stream.write_all(&self.frame).await?;
        self.stream.flush().await?;
        Ok(())
    }

    async fn read(&mut self) -> Result<(), Failed> {
        let len = self.stream.read_u32().await?;
        self.reply.resize(usize::try_from(len)?, 0);
        self.stream.read_exact(&mut self.reply).await?;
        Ok(())
    }
}

fn payload(len: usize) -> Bytes {
    vec![7; len].into()
}

fn median(times: Vec<f64>) -> f64 {
    percentile(times.into_iter(), 50)
}
