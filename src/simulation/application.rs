//! Your own program on the virtual network: an [`Application`] on every node, driven in virtual time over the same links,
//! rules and faults as the members themselves.
//!
//! An application reads no clock and opens no socket. It is told what happens, and says through its [`Context`] what it wants:
//!
//! ```text
//! on_start, on_event, on_message, on_timer  ──▶  your code  ──▶  Context: send, set_timer, note
//! ```
//!
//! Messages pass between members only: the sender must hold the recipient live, and the recipient the sender. They travel as
//! on a connection, each pair's in order. While the path is cut they wait; whoever is held dead or gone meanwhile, or waits
//! longer than [`NetworkOptions::stream_timeout`], loses them, and nobody is told. While a node stands still its messages and timers
//! wait with everything else.
//!
//! A crash takes the application with it; the next life begins with a fresh one.
//!
//! [`NetworkOptions::stream_timeout`]: super::NetworkOptions::stream_timeout

use std::any::Any;
use std::fmt;
use std::time::Duration;

use super::invariants::Invariant;
use super::letters::Letter;
use super::network::Network;
use super::node::NodeId;
use super::run::{Input, Occurrence};
use super::traffic::Kind;
use crate::member::MemberId;
use crate::membership::{Event, Membership};
use crate::swim::Member;
use crate::time::Timestamp;

/// A program under simulation. One value of it lives as long as one process of its node.
pub trait Application: Any + Send {
    /// The process has started. No other member is known yet.
    fn on_start(&mut self, context: &mut Context<'_>) {
        let _ = context;
    }

    /// Membership has something to tell.
    fn on_event(&mut self, context: &mut Context<'_>, event: &Event) {
        let _ = (context, event);
    }

    /// The application of another member has sent a message.
    fn on_message(&mut self, context: &mut Context<'_>, from: &MemberId, message: &[u8]) {
        let _ = (context, from, message);
    }

    /// A timer is due that [`Context::set_timer`] has set under this number.
    fn on_timer(&mut self, context: &mut Context<'_>, timer: u64) {
        let _ = (context, timer);
    }
}

/// What an application sees while it is told something, and what it may ask for.
#[derive(Debug)]
pub struct Context<'a> {
    now: Timestamp,
    membership: &'a Membership,
    commands: Vec<Command>,
}

/// What an application has asked for.
#[derive(Debug)]
enum Command {
    Note(String),
    Send { to: MemberId, message: Vec<u8> },
    Timer { at: Timestamp, timer: u64 },
}

impl Context<'_> {
    /// Now, by the node's own clock.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// The node's own member id.
    #[must_use]
    pub fn id(&self) -> &MemberId {
        self.membership.local().id()
    }

    /// The members held alive or suspect, this node first.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        let members = self.membership.members();
        members.filter(|member| member.state().is_live())
    }

    /// Sends a message to another member's application.
    pub fn send(&mut self, to: &MemberId, message: impl Into<Vec<u8>>) {
        let (to, message) = (to.clone(), message.into());
        self.commands.push(Command::Send { to, message });
    }

    /// Has [`Application::on_timer`] called with this number once so much time has passed by the node's own clock. Timers are
    /// not cancelled: one that has lost its meaning is ignored when it comes.
    pub fn set_timer(&mut self, after: Duration, timer: u64) {
        let at = self.now + after;
        self.commands.push(Command::Timer { at, timer });
    }

    /// Writes a remark into the transcript.
    pub fn note(&mut self, text: impl Into<String>) {
        self.commands.push(Command::Note(text.into()));
    }
}

/// The application that a node runs in each of its lives.
pub(super) struct Program(Box<dyn Fn() -> Box<dyn Application> + Send>);

/// One run of a [`Program`].
pub(super) struct Running(Box<dyn Application>);

type Promise = Box<dyn Fn(&Network) -> Result<(), String> + Send>;

/// What an embedder wants to hold after every step.
pub(super) struct Check {
    name: String,
    holds: Promise,
}

// What an embedder calls.
impl Network {
    /// Has a node run an application from its next start on: `make` makes one for each of its lives.
    pub fn install<A: Application>(&mut self, node: NodeId, make: impl Fn() -> A + Send + 'static) {
        self.nodes[node.index()].program = Some(Program(Box::new(move || Box::new(make()))));
    }

    /// A node's application; `None` if the node does not run, or runs none of this type.
    #[must_use]
    pub fn application<A: Application>(&self, node: NodeId) -> Option<&A> {
        let running = self.nodes[node.index()]
            .process
            .as_ref()?
            .application
            .as_ref()?;
        let application: &dyn Any = running.0.as_ref();
        application.downcast_ref()
    }

    /// Checks after every step that `holds` is well, and stops the run with [`Invariant::TheApplicationKeepsItsPromise`] where it
    /// is not; `name` says what is promised, the error what was seen instead.
    pub fn check_after_every_step(
        &mut self,
        name: impl Into<String>,
        holds: impl Fn(&Self) -> Result<(), String> + Send + 'static,
    ) {
        self.checks.push(Check {
            name: name.into(),
            holds: Box::new(holds),
        });
    }
}

// What happens to applications.
impl Network {
    pub(super) fn start_application(&mut self, node: NodeId) {
        let held = &mut self.nodes[node.index()];
        if let (Some(program), Some(process)) = (&held.program, &mut held.process) {
            process.application = Some(Running((program.0)()));
            self.tell(node, |application, context| application.on_start(context));
        }
    }

    pub(super) fn has_application(&self, node: NodeId) -> bool {
        let process = self.nodes[node.index()].process.as_ref();
        process.is_some_and(|process| process.application.is_some())
    }

    pub(super) fn tell_event(&mut self, node: NodeId, event: &Event) {
        self.tell(node, |application, context| {
            application.on_event(context, event);
        });
    }

    pub(super) fn tell_timer(&mut self, node: NodeId, life: u32, timer: u64) {
        if self.nodes[node.index()].lives == life {
            self.tell(node, |application, context| {
                application.on_timer(context, timer);
            });
        }
    }

    /// A message has reached its node. It counts if the recipient holds the sender live.
    pub(super) fn tell_message(&mut self, node: NodeId, letter: &Letter) {
        self.received(node, Kind::Application, letter.bytes.len());
        if !self.holds_live(node, letter.from) {
            return;
        }
        let from = self.nodes[letter.from.index()].options.local.id.clone();
        self.tell(node, |application, context| {
            application.on_message(context, &from, &letter.bytes);
        });
    }

    /// Checks what the embedder wants to hold.
    pub(super) fn the_application_keeps_its_promise(&mut self) {
        let checks = std::mem::take(&mut self.checks);
        for check in &checks {
            if let Err(seen) = (check.holds)(self)
                && let Some(node) = self.nodes().first()
            {
                let invariant = Invariant::TheApplicationKeepsItsPromise;
                self.broken(*node, None, invariant.broken(check.name.clone(), seen));
            }
        }
        self.checks = checks;
    }

    /// Has an application react, and does what it asks for.
    fn tell(&mut self, node: NodeId, happens: impl FnOnce(&mut dyn Application, &mut Context<'_>)) {
        let now = self.time_at(node);
        let Some(process) = &mut self.nodes[node.index()].process else {
            return;
        };
        let Some(running) = &mut process.application else {
            return;
        };
        let mut context = Context {
            now,
            membership: &process.membership,
            commands: Vec::new(),
        };
        happens(running.0.as_mut(), &mut context);
        for command in context.commands {
            self.obey(node, command);
        }
    }

    fn obey(&mut self, node: NodeId, command: Command) {
        match command {
            Command::Note(text) => self.remark(Some(node), &text),
            Command::Send { to, message } => self.send_message(node, &to, message),
            Command::Timer { at, timer } => {
                let held = &self.nodes[node.index()];
                let life = held.lives;
                let anchor = held.process.as_ref().map(|process| process.anchor);
                // A clock that stands still fires no timer; set anew, it would be later than it is.
                let due = anchor.and_then(|anchor| held.clocks.when(anchor, at));
                if let Some(due) = due {
                    let input = Input::ApplicationTimer { life, timer };
                    self.queue.push(due, Occurrence::Input(node, input));
                }
            }
        }
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Program")
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Running")
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Check({})", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::{NetworkOptions, Rule};

    const SECOND: Duration = Duration::from_secs(1);

    /// Greets everybody who joins, and counts what comes.
    #[derive(Default)]
    struct Greeter {
        heard: Vec<Vec<u8>>,
        ticks: u64,
        joined: usize,
    }

    impl Application for Greeter {
        fn on_start(&mut self, context: &mut Context<'_>) {
            context.set_timer(SECOND, 7);
        }

        fn on_event(&mut self, context: &mut Context<'_>, event: &Event) {
            if let Event::MemberJoined(record) = event {
                self.joined += 1;
                for word in ["hello", "there"] {
                    context.send(&record.id, word);
                }
            }
        }

        fn on_message(&mut self, _: &mut Context<'_>, _: &MemberId, message: &[u8]) {
            self.heard.push(message.to_vec());
        }

        fn on_timer(&mut self, context: &mut Context<'_>, timer: u64) {
            assert_eq!(timer, 7);
            self.ticks += 1;
            context.set_timer(SECOND, 7);
            context.note("tick");
        }
    }

    fn greeters(count: u32) -> (Network, Vec<NodeId>) {
        let mut network = Network::new(NetworkOptions::default(), 5);
        let nodes = network.add_plain_nodes(count);
        for node in &nodes {
            network.install(*node, Greeter::default);
        }
        network.start_all();
        (network, nodes)
    }

    fn greeter(network: &Network, node: NodeId) -> &Greeter {
        network.application(node).expect("it runs")
    }

    #[test]
    fn applications_hear_of_members_of_messages_in_order_and_of_timers() {
        let (mut network, nodes) = greeters(3);
        network.run_for(10 * SECOND + SECOND / 2).unwrap();
        for node in nodes {
            let greeter = greeter(&network, node);
            assert_eq!((greeter.joined, greeter.ticks), (2, 10));
            let words = greeter.heard.iter().filter(|word| *word == b"there");
            assert!(words.count() >= 1, "{:?}", greeter.heard);
            assert_eq!(network.traffic(node).sent(Kind::Application).packets, 4);
        }
    }

    #[test]
    fn a_crash_ends_an_application_and_a_pause_delays_it() {
        let (mut network, nodes) = greeters(2);
        network.run_for(5 * SECOND + SECOND / 2).unwrap();
        network.crash(nodes[1]);
        assert!(network.application::<Greeter>(nodes[1]).is_none());
        network.start(nodes[1]);
        network.pause(nodes[0]);
        network.run_for(3 * SECOND).unwrap();
        assert_eq!(greeter(&network, nodes[1]).ticks, 3);
        assert_eq!(greeter(&network, nodes[0]).ticks, 5);
        network.resume(nodes[0]);
        assert_eq!(greeter(&network, nodes[0]).ticks, 6);
    }

    #[test]
    fn messages_wait_for_a_short_cut_and_are_lost_in_a_long_one() {
        for (cut_for, arrives) in [(2 * SECOND, true), (60 * SECOND, false)] {
            let (mut network, nodes) = greeters(2);
            network.run_for(5 * SECOND).unwrap();
            let before = greeter(&network, nodes[1]).heard.len();
            let cut = network.impose(Rule::partition(&[&nodes[..1], &nodes[1..]]));
            let to = MemberId::new("1").unwrap();
            network.send_message(nodes[0], &to, b"late".to_vec());
            network.run_for(cut_for).unwrap();
            assert_eq!(greeter(&network, nodes[1]).heard.len(), before);
            network.lift(cut);
            network.run_for(SECOND).unwrap();
            let heard = &greeter(&network, nodes[1]).heard;
            assert_eq!(heard.contains(&b"late".to_vec()), arrives, "{cut_for:?}");
        }
    }

    #[test]
    fn a_promise_that_is_broken_stops_the_run() {
        let (mut network, nodes) = greeters(2);
        network.check_after_every_step("at most 3 ticks", move |network| {
            match greeter(network, nodes[0]).ticks {
                ..=3 => Ok(()),
                more => Err(format!("{more} ticks")),
            }
        });
        let broken = network.run_for(10 * SECOND).unwrap_err();
        assert_eq!(broken.invariant, Invariant::TheApplicationKeepsItsPromise);
        assert_eq!(
            (&*broken.expected, &*broken.seen),
            ("at most 3 ticks", "4 ticks")
        );
        assert_eq!(broken.after, 4 * SECOND);
    }
}
