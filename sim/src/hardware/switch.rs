//! A fibre switch by Modbus: told where to go, it takes its time and says where it stands.
//!
//! It stands before the OTDR of its site that has no switch inside: what that sees follows from here.

use std::future::Future;
use std::time::Duration;

use silkline_protocol::id::{DeviceId, SiteId};
use silkline_protocol::plant::Device;
use tokio::sync::{mpsc, watch};
use tokio_modbus::ExceptionCode;

use super::Bench;
use super::modbus::Slave;
use super::registers::Registers;

/// What it calls itself, in two letters.
const KIND: u16 = u16::from_be_bytes(*b"SW");
const WANTED: u16 = 10;
const PORTS: u16 = 32;
/// How long it is between two ports.
const TURNS_FOR: Duration = Duration::from_millis(250);
/// Turns that may wait: it goes from one to the next.
const ORDERS: usize = 64;

/// A switch and where it stands; 0 while it turns.
pub(super) struct Switch {
    bench: Bench,
    site: SiteId,
    device: DeviceId,
    stands: watch::Receiver<u16>,
    orders: mpsc::Sender<u16>,
}

/// The registers of a switch at its first port.
pub(super) fn at_rest() -> Registers {
    registers(1)
}

fn registers(stands: u16) -> Registers {
    let mut held = Registers::default();
    held.words.extend((0_u16..).zip([KIND, stands, 0, 0]));
    held
}

/// The switch that `stands` belongs to, and the task that turns it.
pub(super) fn switch(
    bench: Bench,
    device: &Device,
    stands: watch::Sender<u16>,
) -> (Switch, impl Future<Output = ()> + Send + use<>) {
    let (orders, mut ordered) = mpsc::channel(ORDERS);
    let switch = Switch {
        bench,
        site: device.site.clone(),
        device: device.id.clone(),
        stands: stands.subscribe(),
        orders,
    };
    let turning = async move {
        while let Some(port) = ordered.recv().await {
            stands.send_replace(0);
            tokio::time::sleep(TURNS_FOR).await;
            stands.send_replace(port);
        }
    };
    (switch, turning)
}

impl Slave for Switch {
    fn answers(&self) -> bool {
        self.bench.answers(&self.site, &self.device)
    }

    fn registers(&self) -> Registers {
        registers(*self.stands.borrow())
    }

    fn write(&self, register: u16, words: &[u16]) -> Result<(), ExceptionCode> {
        match (register, words) {
            (WANTED, [port @ 1..=PORTS]) => self
                .orders
                .try_send(*port)
                .map_err(|_| ExceptionCode::ServerDeviceBusy),
            (WANTED, _) => Err(ExceptionCode::IllegalDataValue),
            _ => Err(ExceptionCode::IllegalDataAddress),
        }
    }
}
