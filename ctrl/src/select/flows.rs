//! Which flows are meant.

use clap::Args;
use dataplane::control::{Kind, Selection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{EndsText, ModeWord, ProtocolWord, Seconds, ServiceName, StateWord};
use crate::identity::Named;

/// Only flows for which all of this holds.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[command(next_help_heading = "Which flows")]
#[serde(default)]
pub(crate) struct FlowFilter {
    /// Of this protocol: tcp, udp, sctp.
    #[arg(long, value_name = "PROTOCOL")]
    protocol: Option<ProtocolWord>,
    /// Of clients in this network, with this port.
    #[arg(long, value_name = "NET[:PORT]")]
    client: Option<EndsText>,
    /// To these virtual addresses, with this port.
    #[arg(long, value_name = "NET[:PORT]")]
    vip: Option<EndsText>,
    /// From these local addresses, with this port (fullnat).
    #[arg(long, value_name = "NET[:PORT]")]
    local: Option<EndsText>,
    /// To these real servers, with this port.
    #[arg(long, value_name = "NET[:PORT]")]
    real: Option<EndsText>,
    /// Of this service, by its name or as tcp:192.0.2.10:80 or mark:7.
    #[arg(long, value_name = "SERVICE")]
    service: Option<ServiceName>,
    /// In this state, such as ESTABLISHED.
    #[arg(long, value_name = "STATE")]
    state: Option<StateWord>,
    /// Forwarded in this mode: dr, nat, tun, fullnat.
    #[arg(long, value_name = "MODE")]
    mode: Option<ModeWord>,
    /// Of the worker on this CPU.
    #[arg(long, value_name = "CPU")]
    worker: Option<u32>,
    /// Persistence templates only if `true`, flows only if `false`.
    #[arg(skip)]
    template: Option<bool>,
    /// Without a packet for so long, such as 5m.
    #[arg(long, value_name = "TIME")]
    idle_over: Option<Seconds>,
    /// Opened so long ago.
    #[arg(long, value_name = "TIME")]
    age_over: Option<Seconds>,
    /// With at least so many packets from the client.
    #[arg(long, value_name = "N")]
    packets_over: Option<u32>,
}

/// Flows, templates or both, on the command line.
#[derive(Args, Clone, Copy, Debug, Default)]
#[command(next_help_heading = "Which flows")]
pub(crate) struct TemplateChoice {
    /// Persistence templates only.
    #[arg(long, conflicts_with = "no_template")]
    template: bool,
    /// No persistence templates.
    #[arg(long)]
    no_template: bool,
}

impl TemplateChoice {
    /// What it is in a request.
    pub(crate) fn kind(self) -> Option<bool> {
        (self.template || self.no_template).then_some(self.template)
    }
}

impl FlowFilter {
    /// The same for templates only, for flows only, or for both.
    pub(crate) fn with_template(&self, template: Option<bool>) -> Self {
        Self { template, ..self.clone() }
    }

    /// Whether it leaves out nothing.
    pub(crate) fn is_all(&self) -> bool {
        *self == Self { template: self.template, ..Self::default() }
    }

    /// The worker whose flows are meant, by its CPU; `None` for all.
    pub(crate) fn worker(&self) -> Option<u32> {
        self.worker
    }

    /// What workers are asked with, where these services are in force; `None` if there is no such
    /// service.
    pub(crate) fn selection(
        &self,
        services: &[conf::Service],
        named: &Named,
    ) -> Result<Selection, NoSuchService> {
        let service = match &self.service {
            None => None,
            Some(name) => {
                let found = name.find(services).and_then(|place| named.get(place));
                Some(found.ok_or_else(|| NoSuchService(name.to_string()))?.id)
            }
        };
        let ends = |text: Option<EndsText>| text.map(EndsText::ends);
        let seconds = |span: Option<Seconds>| span.map_or(0, |span| span.0);
        Ok(Selection {
            kind: match self.template {
                None => Kind::All,
                Some(true) => Kind::Templates,
                Some(false) => Kind::Flows,
            },
            protocol: self.protocol.map(|word| crate::snapshot::protocol_number(word.0)),
            client: ends(self.client),
            virtual_address: ends(self.vip),
            local: ends(self.local),
            real: ends(self.real),
            service,
            mode: self.mode.map(|word| word.0),
            state: self.state.map(|word| word.0),
            idle_s_min: seconds(self.idle_over),
            age_s_min: seconds(self.age_over),
            packets_min: self.packets_over.unwrap_or_default(),
        })
    }
}

/// A service that is asked for and not there.
#[derive(Debug, thiserror::Error)]
#[error("there is no service {0}")]
pub(crate) struct NoSuchService(pub(crate) String);
