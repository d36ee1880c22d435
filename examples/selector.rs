//! A selector by itself, without the loop and the server: two pipes and a deadline.
//!
//! For those who would take polling, or Python's `selectors`. The registry issues tokens and says
//! which are live, the timers know the next deadline, the selector waits; what happens then is up
//! to you.
//!
//! ```text
//! cargo run --example selector
//! ```

use std::io::{Read, Write, pipe};
use std::os::fd::AsFd;
use std::thread;
use std::time::Duration;

use selkie::memory::{Registry, Slot, TimerSlot, Timers};
use selkie::platform::{Events, Selector, Wait};
use selkie::{DefaultSelector, Event, Interest, Mode};

/// The number of sources at most.
const CAPACITY: usize = 4;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (mut news, mut newsroom) = pipe()?;
    let (mut weather, mut station) = pipe()?;

    let mut registry = Registry::new([Slot::EMPTY; CAPACITY]);
    let mut timers = Timers::new([TimerSlot::EMPTY; CAPACITY]);
    let mut batch = [Event::EMPTY; CAPACITY];
    let mut events = Events::new(&mut batch);
    // The selector borrows the pipes, so none of them can be closed before it is dropped.
    let (news_fd, weather_fd) = (news.try_clone()?, weather.try_clone()?);
    let mut selector = DefaultSelector::new(CAPACITY)?;

    // Register.
    let news_token = registry.insert()?;
    selector.register(news_fd.as_fd(), news_token, Interest::READABLE, Mode::Level)?;
    let weather_token = registry.insert()?;
    selector.register(weather_fd.as_fd(), weather_token, Interest::READABLE, Mode::Level)?;
    // A token without a source names a deadline.
    let closing_time = registry.insert()?;
    timers.set(closing_time.index(), selector.now() + Duration::from_millis(200));

    let reporters = thread::spawn(move || -> std::io::Result<()> {
        newsroom.write_all(b"seal seen in harbour")?;
        station.write_all(b"fog until noon")
    });

    let mut buffer = [0; 64];
    loop {
        // Wait.
        events.clear();
        selector.wait(&mut events, timers.next_deadline())?;
        // Handle.
        for event in &events {
            if !registry.contains(event.token) {
                continue; // It was deregistered earlier in this batch.
            }
            let (name, source, fd) = if event.token == news_token {
                ("news", &mut news, news_fd.as_fd())
            } else {
                ("weather", &mut weather, weather_fd.as_fd())
            };
            let count = source.read(&mut buffer)?;
            if count == 0 {
                println!("{name}: the end");
                registry.remove(event.token)?;
                selector.deregister(fd, event.token)?;
            } else {
                println!("{name}: {}", String::from_utf8_lossy(&buffer[..count]));
            }
        }
        if timers.pop_expired(selector.now()).is_some() {
            println!("closing time");
            break;
        }
    }
    reporters.join().expect("the reporters do not panic")?;
    Ok(())
}
