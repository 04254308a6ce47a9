//! The story: a session is paired, messages are sent, fail, are tried again, and come in.

mod cast;

use std::io::Write;
use std::time::Duration;

use messaging_core::domain::message::Direction;
use messaging_core::domain::session::SessionStatus;
use messaging_core::domain::status::Status;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::time::{Interval, MissedTickBehavior, interval, timeout};

use crate::demo::DemoError;
use crate::demo::paint::Paint;
use crate::demo::stage::Stage;
use crate::demo::timeline::Timeline;

/// How often it is looked what has happened.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long any one thing in the story may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A picture of one pixel.
const PICTURE: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk\
                       +M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// The story, told to `out`.
pub(super) struct Story<'a, W> {
    stage: &'a Stage,
    paint: Paint,
    timeline: Timeline,
    out: &'a mut W,
}

impl<'a, W: Write + Send> Story<'a, W> {
    pub(super) fn new(stage: &'a Stage, paint: Paint, out: &'a mut W) -> Self {
        let timeline = Timeline::new(stage.gateway().clone(), stage.tenant(), paint);
        Self { stage, paint, timeline, out }
    }

    /// Tells it once, and checks that it went as it should.
    pub(super) async fn tell(&mut self) -> Result<(), DemoError> {
        self.introduce()?;
        let waha_session = self.pair().await?;
        self.send().await?;
        self.fail().await?;
        self.receive(&waha_session)?;
        self.until("every message has come to its end", |timeline| {
            let messages = timeline.messages();
            let received = messages.iter().filter(|it| it.direction == Direction::Inbound).count();
            received == cast::INBOUND && messages.iter().all(|message| message.status.is_final())
        })
        .await?;
        let wrong = cast::unexpected(self.timeline.messages(), &self.stage.simulator().arrivals());
        self.conclude().await?;
        if wrong.is_empty() { Ok(()) } else { Err(DemoError::Otherwise(wrong.join("; "))) }
    }

    /// Shows what happens from then on, until it is dropped.
    pub(super) async fn go_on(&mut self) -> Result<(), DemoError> {
        let mut looks = looks();
        loop {
            looks.tick().await;
            self.timeline.catch_up(self.out).await?;
        }
    }

    fn introduce(&mut self) -> Result<(), DemoError> {
        let (service, waha) = (self.stage.api().base_url(), self.stage.simulator().base_url());
        let taken = if self.stage.port_was_taken() { " (the port before was taken)" } else { "" };
        let title = "The messaging gateway, a simulated WAHA, and made-up telephones";
        writeln!(self.out, "{}\n", self.paint.bold(title))?;
        writeln!(self.out, "  service         {service}{taken}")?;
        writeln!(self.out, "  simulated WAHA  {waha}")?;
        writeln!(self.out, "  data            in a temporary directory, removed at the end")?;
        writeln!(self.out, "  times           in UTC")?;
        Ok(())
    }

    /// Makes a session over the API; the simulator scans its QR code. Gives its name in WAHA.
    async fn pair(&mut self) -> Result<String, DemoError> {
        self.say("A session is made, and its QR code scanned.")?;
        let session = self.stage.api().post("/sessions", &json!({"name": "main"})).await?;
        self.until("the session works", |timeline| timeline.has_session(SessionStatus::Working))
            .await?;
        Ok(session["wahaSession"].as_str().unwrap_or_default().to_owned())
    }

    async fn send(&mut self) -> Result<(), DemoError> {
        self.say("A bulk that can wait, a text, a picture, and one that cannot wait.")?;
        let bulk = json!({
            "sessionId": "main",
            "recipients": ["+5511988887777", "+4915112345678", "+33612345678", "+447700900123"],
            "body": "We open at nine",
            "priority": "low",
            "batchSize": 2,
        });
        self.post("/messages/bulk", bulk).await?;
        self.post("/messages/send", text("+34612345678", "Hello!")).await?;
        let media = json!({
            "kind": "image", "data": PICTURE, "mimetype": "image/png", "filename": "dot.png",
        });
        let mut picture = text("+819012345678", "A picture of a dot");
        picture["media"] = media;
        self.post("/messages/send", picture).await?;
        let mut urgent = text("+917012345678", "Your code is 493 201");
        urgent["priority"] = json!("high");
        self.post("/messages/send", urgent).await?;
        self.until("all of them are read", |timeline| {
            timeline.messages().iter().all(|message| message.status == Status::Read)
        })
        .await
    }

    async fn fail(&mut self) -> Result<(), DemoError> {
        for (number, script) in cast::scripts() {
            self.stage.simulator().script_recipient(number, script);
        }
        self.say(
            "WhatsApp asks for fewer messages, twice. A number is not on WhatsApp. WAHA refuses \
             one.\n   And one goes out while WAHA's answer is lost: it is looked for, not repeated.",
        )?;
        self.post("/messages/send", text(cast::BUSY, "Third time lucky")).await?;
        self.post("/messages/send", text(cast::MISSING, "Is anybody there?")).await?;
        self.post("/messages/send", text(cast::REFUSED, "Refused for good")).await?;
        self.post("/messages/send", text(cast::ANSWER_LOST, "Sent once all the same")).await
    }

    fn receive(&mut self, waha_session: &str) -> Result<(), DemoError> {
        self.say("Two messages come in.")?;
        for inbound in cast::inbound() {
            self.stage.simulator().receive(waha_session, &inbound);
        }
        Ok(())
    }

    async fn conclude(&mut self) -> Result<(), DemoError> {
        let api = self.stage.api();
        let statistics = api.get("/messages/stats").await?;
        let percent = |name: &str| statistics[name].as_f64().map_or(0.0, |share| share * 100.0);
        let summary = format!(
            "{} messages so far; of those tried, {:.0} % were delivered and {:.0} % failed.",
            statistics["total"],
            percent("successRate"),
            percent("failureRate"),
        );
        self.say(&summary)?;

        let (base, token) = (api.base_url(), api.token().expose_secret());
        let bearer = "-H \"Authorization: Bearer $TOKEN\"";
        let json = "-H 'Content-Type: application/json'";
        let body = r#"{"sessionId":"main","to":"+14155550123","body":"Hello from curl"}"#;
        let now_you = self.paint.bold("Now you. In the browser: Authorize with the token, send.");
        writeln!(self.out, "\n{now_you}\n\n  {base}/docs\n")?;
        writeln!(self.out, "{}\n", self.paint.bold("Or in another terminal:"))?;
        writeln!(self.out, "export TOKEN={token}")?;
        writeln!(self.out, "curl -sS {base}/messages/send {bearer} {json} -d '{body}'")?;
        writeln!(self.out, "curl -sS '{base}/messages?limit=5' {bearer}")?;
        writeln!(self.out, "curl -sS {base}/messages/stats {bearer}")?;
        self.say("What you send shows here. Ctrl-C ends the demo.")
    }

    fn say(&mut self, what: &str) -> Result<(), DemoError> {
        writeln!(self.out, "\n{}", self.paint.bold(&format!("── {what}")))?;
        self.out.flush()?;
        Ok(())
    }

    async fn post(&mut self, path: &str, body: Value) -> Result<(), DemoError> {
        self.stage.api().post(path, &body).await?;
        self.timeline.catch_up(self.out).await
    }

    /// Shows what happens until it has come as far as it should.
    async fn until(
        &mut self,
        what: &'static str,
        reached: impl Fn(&Timeline) -> bool + Send,
    ) -> Result<(), DemoError> {
        let mut looks = looks();
        let watching = async {
            loop {
                looks.tick().await;
                self.timeline.catch_up(self.out).await?;
                if reached(&self.timeline) {
                    return Ok(());
                }
            }
        };
        timeout(PATIENCE, watching).await.unwrap_or(Err(DemoError::TooLong(what)))
    }
}

fn looks() -> Interval {
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}

fn text(to: &str, body: &str) -> Value {
    json!({"sessionId": "main", "to": to, "body": body})
}
