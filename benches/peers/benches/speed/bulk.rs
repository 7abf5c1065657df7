//! A stream of many bytes, beside the same copy on a bare connection.
//!
//! Both sides write the same buffer until so many bytes are out, and read into one of the same length. The clock stops when
//! the reader has said that it has them all.

use peers::bare::{self, Duplex};
use peers::ratio::{Goal, Ratio, Unit};
use peers::site::{Site, Way, check_way, id};
use peers::{Args, Failed};
use phalanx::{IncomingStream, Node, Registration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

use crate::done;

/// How much is written and read at a time, on both sides.
const BUFFER_LEN: usize = 64 * 1024;
/// How much is copied over TLS in a round.
const TLS_LEN: usize = 128 << 20;

pub(crate) async fn measure(args: &Args, site: &Site) -> Result<Vec<Ratio>, Failed> {
    let mut ratios = Vec::new();
    for (way, peer, goal, len) in [
        (Way::Plain, "bare TCP", 0.9, 256 << 20),
        (Way::Tls, "bare TLS", 0.9, TLS_LEN),
        (Way::Quic, "quinn", 0.9, 32 << 20),
    ] {
        let name = format!("bulk-{}", way.name());
        if args.wants(&name) {
            let ratio = Ratio::new(name, peer, Unit::BytesPerSecond, Goal::AtLeast(goal));
            ratios.push(beside_bare(args, site, way, ratio, args.amount(len)).await?);
        }
    }
    let name = "bulk-tls-of-plain";
    if args.wants(name) {
        let ratio = Ratio::new(name, "our plain", Unit::BytesPerSecond, Goal::AtLeast(0.6));
        ratios.push(beside_plain(args, site, ratio, args.amount(TLS_LEN)).await?);
    }
    let name = "bulk-bare-tls-of-plain";
    if args.wants(name) {
        let ratio = Ratio::new(name, "bare TCP", Unit::BytesPerSecond, Goal::None);
        ratios.push(bare_beside_plain(args, site, ratio, args.amount(TLS_LEN)).await?);
    }
    Ok(ratios)
}

async fn beside_bare(
    args: &Args,
    site: &Site,
    way: Way,
    mut ratio: Ratio,
    len: usize,
) -> Result<Ratio, Failed> {
    let ours = Ours::start(site, way).await?;
    let mut bare = Bare::start(site, way).await?;
    // The first round warms up.
    for round in 0..=args.rounds() {
        let figures = (ours.copy(len).await?, bare.copy(len).await?);
        if round > 0 {
            ratio.add(figures.0, figures.1);
        }
    }
    Ok(done(ratio))
}

async fn beside_plain(
    args: &Args,
    site: &Site,
    mut ratio: Ratio,
    len: usize,
) -> Result<Ratio, Failed> {
    let tls = Ours::start(site, Way::Tls).await?;
    let plain = Ours::start(site, Way::Plain).await?;
    for round in 0..=args.rounds() {
        let figures = (tls.copy(len).await?, plain.copy(len).await?);
        if round > 0 {
            ratio.add(figures.0, figures.1);
        }
    }
    Ok(done(ratio))
}

/// What TLS leaves of TCP on this machine, whoever uses it.
async fn bare_beside_plain(
    args: &Args,
    site: &Site,
    mut ratio: Ratio,
    len: usize,
) -> Result<Ratio, Failed> {
    let mut tls = Bare::start(site, Way::Tls).await?;
    let mut plain = Bare::start(site, Way::Plain).await?;
    for round in 0..=args.rounds() {
        let figures = (tls.copy(len).await?, plain.copy(len).await?);
        if round > 0 {
            ratio.add(figures.0, figures.1);
        }
    }
    Ok(done(ratio))
}

/// Two nodes, of which the second reads streams.
pub(crate) struct Ours {
    nodes: Vec<Node>,
    _reads: Registration,
}

impl Ours {
    async fn start(site: &Site, way: Way) -> Result<Self, Failed> {
        let ours = Self::between(site.nodes(way, 2).await?);
        ours.copy(BUFFER_LEN).await?;
        check_way(&ours.nodes[0], way)?;
        Ok(ours)
    }

    pub(crate) fn between(nodes: Vec<Node>) -> Self {
        let reads = async |stream: IncomingStream| {
            let mut stream = stream.accept();
            if read_all(&mut stream, usize::MAX).await.is_ok() {
                let _ = stream.write_all(&[1]).await;
                let _ = stream.shutdown().await;
            }
        };
        let reads = nodes[1].messenger().handle_streams("bulk", reads);
        Self {
            nodes,
            _reads: reads,
        }
    }

    /// Opens a stream and writes `len` bytes; how many that was in a second.
    pub(crate) async fn copy(&self, len: usize) -> Result<f64, Failed> {
        let messenger = self.nodes[0].messenger();
        let copying = async move {
            let mut stream = messenger.open_stream(&id(2), "bulk").await?;
            let began = Instant::now();
            write_all(&mut stream, len).await?;
            stream.shutdown().await?;
            stream.read_exact(&mut [0]).await?;
            Ok(len as f64 / began.elapsed().as_secs_f64())
        };
        tokio::spawn(copying).await?
    }
}

/// A bare connection, whose listener reads.
struct Bare {
    dialer: Option<Box<dyn Duplex>>,
    listener: Option<Box<dyn Duplex>>,
}

impl Bare {
    async fn start(site: &Site, way: Way) -> Result<Self, Failed> {
        let (dialer, listener) = bare::connect(site, way).await?;
        Ok(Self {
            dialer: Some(dialer),
            listener: Some(listener),
        })
    }

    async fn copy(&mut self, len: usize) -> Result<f64, Failed> {
        let lost = "the connection was lost in another round";
        let mut writer = self.dialer.take().ok_or(lost)?;
        let mut reader = self.listener.take().ok_or(lost)?;
        let writing = tokio::spawn(async move {
            let began = Instant::now();
            write_all(&mut writer, len).await?;
            writer.flush().await?;
            writer.read_exact(&mut [0]).await?;
            let rate = len as f64 / began.elapsed().as_secs_f64();
            Ok::<_, Failed>((rate, writer))
        });
        let reading = tokio::spawn(async move {
            read_all(&mut reader, len).await?;
            reader.write_all(&[1]).await?;
            reader.flush().await?;
            Ok::<_, Failed>(reader)
        });
        let (rate, writer) = writing.await??;
        self.dialer = Some(writer);
        self.listener = Some(reading.await??);
        Ok(rate)
    }
}

async fn write_all(to: &mut (impl AsyncWriteExt + Unpin), len: usize) -> Result<(), Failed> {
    let buffer = vec![7; BUFFER_LEN];
    let mut left = len;
    while left > 0 {
        let count = left.min(buffer.len());
        to.write_all(&buffer[..count]).await?;
        left -= count;
    }
    Ok(())
}

/// Reads `len` bytes, or as many as there are.
async fn read_all(from: &mut (impl AsyncReadExt + Unpin), len: usize) -> Result<(), Failed> {
    let mut buffer = vec![0; BUFFER_LEN];
    let mut left = len;
    while left > 0 {
        match from.read(&mut buffer).await? {
            0 => break,
            count => left -= count,
        }
    }
    Ok(())
}
