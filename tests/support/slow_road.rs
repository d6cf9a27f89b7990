//! A slow road to a server, for those who want to stop what is on the way.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

/// How much is carried at once, in bytes.
const CHUNK_BYTES: usize = 16 << 10;

/// An address that leads to `server`, on which each chunk of answers takes `pause`. It lasts as long as
/// the tests do.
pub fn slow_road(server: &str, pause: Duration) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = server.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let (client, server) = (client.unwrap(), TcpStream::connect(&server).unwrap());
            let (from_client, to_server) =
                (client.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || carry(from_client, to_server, Duration::ZERO));
            std::thread::spawn(move || carry(server, client, pause));
        }
    });
    address
}

/// Carries bytes one way. At its end neither way is open any more.
fn carry(mut from: TcpStream, mut to: TcpStream, pause: Duration) {
    let mut chunk = [0; CHUNK_BYTES];
    while let Ok(length @ 1..) = from.read(&mut chunk) {
        if to.write_all(&chunk[..length]).is_err() {
            break;
        }
        std::thread::sleep(pause);
    }
    for stream in [from, to] {
        let _ = stream.shutdown(Shutdown::Both);
    }
}
