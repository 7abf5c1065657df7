//! The virtual network's figures of a TLS handshake against real ones, over loopback sockets.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use phalanx::simulation::{
    CertificateAuthority, NetworkOptions, NodeCertificate, TlsFlights, Validity,
};
use phalanx::trust::Trust;
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

/// How far the model may be from the real thing.
const TOLERANCE_PERCENT: usize = 2;

/// A stream that writes down how many bytes went which way, one number for each flight.
struct Counted {
    stream: TcpStream,
    flights: Vec<(Way, usize)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Counted {
    fn count(&mut self, way: Way, len: usize) {
        match self.flights.last_mut() {
            Some((last, total)) if *last == way => *total += len,
            _ => self.flights.push((way, len)),
        }
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.stream.read(buffer)?;
        self.count(Way::In, len);
        Ok(len)
    }
}

impl Write for Counted {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let len = self.stream.write(buffer)?;
        self.count(Way::Out, len);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// What the dialer saw of a handshake between two nodes with this trust.
fn flights(trust: &Trust) -> Vec<(Way, usize)> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let (server_config, _verdict) = trust.accepting();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut connection = ServerConnection::new(server_config).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).unwrap();
        }
        stream
    });
    let (client_config, _verdict) = trust.dialling(&[]);
    let name = ServerName::IpAddress(addr.ip().into());
    let mut connection = ClientConnection::new(Arc::clone(&client_config), name).unwrap();
    let mut counted = Counted {
        stream: TcpStream::connect(addr).unwrap(),
        flights: Vec::new(),
    };
    while connection.is_handshaking() || connection.wants_write() {
        connection.complete_io(&mut counted).unwrap();
    }
    server.join().unwrap();
    counted.flights
}

#[test]
fn simulated_handshakes_have_the_flights_and_sizes_of_real_ones() {
    let now = NetworkOptions::default().start;
    let validity = Validity::lasting(now, std::time::Duration::from_secs(3_600));
    let mut authority = CertificateAuthority::new(1, "red", validity);
    let ed25519 = authority.issue("a", validity, &["10.0.0.1"]);
    let [rsa, _, _] = NodeCertificate::of_the_recipe();
    for (name, certificate) in [("Ed25519", ed25519), ("RSA", rsa)] {
        let trust = certificate.load(None, now).unwrap();
        let model = TlsFlights::of(&trust);
        let expected = [
            (Way::Out, model.client_hello),
            (Way::In, model.server),
            (Way::Out, model.client_finished),
        ];
        let real = flights(&trust);
        println!("{name}: real {real:?}, model {expected:?}");
        let ways =
            |flights: &[(Way, usize)]| flights.iter().map(|(way, _)| *way).collect::<Vec<_>>();
        assert_eq!(ways(&real), ways(&expected), "{name}");
        for ((_, real), (_, model)) in real.iter().zip(&expected) {
            let off = real.abs_diff(*model);
            assert!(
                off * 100 <= real * TOLERANCE_PERCENT,
                "{name}: {real} bytes, {model} in the model"
            );
        }
    }
}
