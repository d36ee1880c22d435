//! A selector by itself, without the loop and the server: two pipes and a deadline.
//!
//! For those who would take polling, or Python's `selectors`. The registry issues tokens and says
//! which are live, the timers know the next deadline, the selector waits; what happens then is up
//! to you.
//!
//! ```text
//! cargo run --example selector
//! ```

#[cfg(unix)]
mod native {
    use std::io::{self, PipeReader, PipeWriter, Read, Write, pipe};
    use std::os::fd::AsFd;
    use std::thread;
    use std::time::Duration;

    use selkie::memory::{Registry, Slot, TimerSlot, Timers};
    use selkie::platform::{DefaultSelector, Events, Selector, Wait};
    use selkie::{Event, Interest, Mode};

    /// The number of sources at most.
    const CAPACITY: usize = 4;

    pub(super) fn main() -> Result<(), Box<dyn std::error::Error>> {
        let (news, newsroom) = pipe()?;
        let (weather, station) = pipe()?;

        let mut registry = Registry::new([Slot::EMPTY; CAPACITY]);
        let mut timers = Timers::new([TimerSlot::EMPTY; CAPACITY]);
        let mut batch = [Event::EMPTY; CAPACITY];
        let mut events = Events::new(&mut batch);
        // It borrows the pipes, so none of them can be closed before it is dropped.
        let mut selector = DefaultSelector::new(CAPACITY)?;

        let news_token = registry.insert()?;
        selector.register(news.as_fd(), news_token, Interest::READABLE, Mode::Level)?;
        let weather_token = registry.insert()?;
        selector.register(weather.as_fd(), weather_token, Interest::READABLE, Mode::Level)?;
        // A token without a source names a deadline.
        let closing_time = registry.insert()?;
        timers.set(closing_time.index(), selector.now() + Duration::from_millis(200));
        let reporters = thread::spawn(move || report(newsroom, station));

        loop {
            // Wait.
            events.clear();
            selector.wait(&mut events, timers.next_deadline())?;
            // Handle.
            for event in &events {
                if !registry.contains(event.token) {
                    continue; // It was deregistered earlier in this batch.
                }
                let is_news = event.token == news_token;
                let (name, pipe) = if is_news { ("news", &news) } else { ("weather", &weather) };
                if print(name, pipe)? == 0 {
                    registry.remove(event.token)?;
                    selector.deregister(pipe.as_fd(), event.token)?;
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

    /// Writes to both pipes, and closes them.
    fn report(mut newsroom: PipeWriter, mut station: PipeWriter) -> io::Result<()> {
        newsroom.write_all(b"seal seen in harbour")?;
        station.write_all(b"fog until noon")
    }

    /// Prints what a pipe has; returns the number of bytes, which is 0 at the end.
    fn print(name: &str, mut pipe: &PipeReader) -> io::Result<usize> {
        let mut buffer = [0; 64];
        let count = pipe.read(&mut buffer)?;
        match count {
            0 => println!("{name}: the end"),
            _ => println!("{name}: {}", String::from_utf8_lossy(&buffer[..count])),
        }
        Ok(count)
    }
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    native::main()
}

#[cfg(not(unix))]
fn main() -> std::process::ExitCode {
    eprintln!("selector: pipes can be watched on Unix only");
    std::process::ExitCode::from(2)
}
