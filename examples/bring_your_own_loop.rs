//! Two members without tokio, sockets or a clock: a loop of your own drives the state machine.
//!
//! The network is a queue here, and time a number that jumps to the next deadline. In a program of yours they are sockets
//! and a clock; what is fed in and what comes out stays the same. Real connections would carry `Frame::encode`d bytes.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use phalanx::admission::{DialBack, LinkChange, LinkId, Opened};
use phalanx::member::{MemberId, MemberState, Metadata, Role};
use phalanx::membership::{ContactPoint, LocalMember, Membership, Options, Output};
use phalanx::seal::Seed;
use phalanx::swim::Params;
use phalanx::time::Timestamp;
use phalanx::wire::frame::Frame;
use phalanx::wire::hello::{Channel, Side};
use phalanx::wire::refusal::Code;

fn main() -> Result<(), Box<dyn Error>> {
    let mut world = World::default();
    for id in ["1", "2"] {
        world.add_host(id)?;
    }
    let first = world.hosts[0].addr.into();
    world.command(0, |core, now| core.join(now, &[]));
    world.command(1, |core, now| core.join(now, &[first]));
    world.run_until(|world| {
        world
            .hosts
            .iter()
            .all(|host| host.sees(2, MemberState::Alive))
    });
    world.command(1, |core, now| core.leave(now, now + Duration::from_secs(5)));
    world.run_until(|world| world.hosts[0].sees(1, MemberState::Left));
    Ok(())
}

struct Host {
    addr: SocketAddr,
    core: Membership,
    /// Where each connection leads: which host, and what it calls the connection.
    links: BTreeMap<LinkId, (usize, LinkId)>,
    accepted: u64,
    wakeup: Option<Timestamp>,
}

impl Host {
    fn sees(&self, count: usize, state: MemberState) -> bool {
        let members = self.core.members();
        members.filter(|member| member.state() == state).count() == count
    }
}

/// What happens to a host.
enum Input {
    Datagram(SocketAddr, Vec<u8>),
    Frame(LinkId, Frame),
    Link(LinkId, LinkChange),
    Resolved(ContactPoint, Vec<SocketAddr>),
}

#[derive(Default)]
struct World {
    now: Timestamp,
    hosts: Vec<Host>,
    inputs: VecDeque<(usize, Input)>,
}

impl World {
    fn add_host(&mut self, id: &str) -> Result<(), Box<dyn Error>> {
        let number = u8::try_from(self.hosts.len())?;
        let addr = SocketAddr::from(([10, 0, 0, number], 26_502));
        let options = Options {
            local: LocalMember {
                id: MemberId::new(id)?,
                role: Role::Broker,
                advertised: addr,
                host: None,
                udp: true,
                quic: None,
                metadata: Metadata::default(),
            },
            cluster: "example".to_owned(),
            cluster_id: None,
            certificate: None,
            params: Params::lan(),
            handshake_timeout: Duration::from_secs(15),
            dial_back: DialBack::Any,
            key_rotation: None,
            join_retry_refused: false,
            token: None,
            expired_member: phalanx::membership::ExpiredMember::Keep,
            trust_age_max: None,
        };
        // In earnest: 32 bytes from the system.
        let seed = Seed::new([number; 32]);
        self.hosts.push(Host {
            addr,
            core: Membership::new(self.now, options, seed),
            links: BTreeMap::new(),
            accepted: 0,
            wakeup: None,
        });
        Ok(())
    }

    fn command(&mut self, host: usize, command: impl FnOnce(&mut Membership, Timestamp)) {
        command(&mut self.hosts[host].core, self.now);
        self.drain(host);
    }

    /// Feeds what has come, and where nothing has, lets time pass to the next deadline.
    fn run_until(&mut self, is_done: impl Fn(&Self) -> bool) {
        while !is_done(self) {
            match self.inputs.pop_front() {
                Some((host, input)) => self.feed(host, input),
                None => self.sleep(),
            }
        }
    }

    fn feed(&mut self, host: usize, input: Input) {
        let (core, now) = (&mut self.hosts[host].core, self.now);
        match input {
            // In earnest: an undecodable datagram is dropped, a frame that breaks the protocol ends its connection.
            Input::Datagram(from, payload) => drop(core.handle_datagram(now, from, &payload)),
            Input::Frame(link, frame) => drop(core.handle_frame(now, link, frame)),
            Input::Link(link, change) => core.handle_link(now, link, change),
            Input::Resolved(contact, addrs) => core.handle_resolved(now, &contact, &addrs),
        }
        self.drain(host);
    }

    fn sleep(&mut self) {
        let due = (0..self.hosts.len()).filter_map(|host| Some((self.hosts[host].wakeup?, host)));
        let (at, host) = due.min().expect("a member always has something to do");
        self.now = self.now.max(at);
        self.command(host, Membership::handle_timeout);
    }

    /// Does everything a host asks for.
    fn drain(&mut self, host: usize) {
        loop {
            match self.hosts[host].core.poll_output() {
                Output::Wait(wakeup) => {
                    self.hosts[host].wakeup = wakeup.map(|wakeup| wakeup.at);
                    return;
                }
                output => self.act(host, output),
            }
        }
    }

    fn act(&mut self, host: usize, output: Output) {
        match output {
            Output::Event(event) => println!("{} member {host}: {event:?}", self.now),
            Output::Transmit { to, payload } => {
                let input = Input::Datagram(self.hosts[host].addr, payload);
                self.inputs.extend(self.at(to).map(|there| (there, input)));
            }
            Output::Resolve(contact) => {
                let addrs = contact.to_string().parse().into_iter().collect();
                self.inputs
                    .push_back((host, Input::Resolved(contact, addrs)));
            }
            Output::Open { link, addr, .. } => self.connect(host, link, addr),
            Output::Send(link, frame) => {
                let far = self.hosts[host].links.get(&link);
                let input = far.map(|(there, link)| (*there, Input::Frame(*link, frame)));
                self.inputs.extend(input);
            }
            Output::Close(link) => {
                let far = self.hosts[host].links.remove(&link);
                let input = far.map(|(there, link)| {
                    (
                        there,
                        Input::Link(link, LinkChange::Closed(Code::Unreachable)),
                    )
                });
                self.inputs.extend(input);
            }
            Output::ConnectFailed { .. } | Output::HandOver { .. } => {
                unreachable!("nobody connects for messages here")
            }
            Output::Examined(_) | Output::JudgeChain { .. } => {
                unreachable!("nothing is examined here")
            }
            Output::SignIntroduction(_) | Output::VerifyIntroduction { .. } => {
                unreachable!("there are no certificates without TLS")
            }
            Output::Wait(_) => unreachable!("the drain ends there"),
        }
    }

    fn connect(&mut self, host: usize, link: LinkId, addr: SocketAddr) {
        let there = self.at(addr).expect("everybody is up");
        self.hosts[there].accepted += 1;
        // Whoever dials names its end; whoever accepts is named by the loop.
        let far = LinkId::accepted(self.hosts[there].accepted);
        for (host, link, there, far, side) in [
            (host, link, there, far, Side::Dialer),
            (there, far, host, link, Side::Listener),
        ] {
            self.hosts[host].links.insert(link, (there, far));
            let opened = Opened {
                side,
                peer: self.hosts[there].addr,
                channel: Channel::Plain,
                correlation: None,
            };
            let change = LinkChange::Opened(opened);
            self.inputs.push_back((host, Input::Link(link, change)));
        }
    }

    fn at(&self, addr: SocketAddr) -> Option<usize> {
        self.hosts.iter().position(|host| host.addr == addr)
    }
}
