//! A registry as text or bytes: what a scrape reads.

use std::sync::{MutexGuard, PoisonError};
use std::time::Instant;

use super::Registry;
use crate::batch::Batch;
use crate::descriptor::Descriptor;
use crate::expose::{Expose, Format, Protobuf, Text, WithCommonLabels};
use crate::source_samples::SourceSamples;
use crate::sources::COLLECT_TIMEOUT;

impl Registry {
    /// Everything in the Prometheus text format 0.0.4.
    pub fn encode_text(&self) -> String {
        self.encode(Format::Classic)
    }

    /// Everything in the OpenMetrics 1.0 text format, with exemplars.
    pub fn encode_openmetrics(&self) -> String {
        self.encode(Format::OpenMetrics)
    }

    /// Everything in Prometheus' protobuf format: `io.prometheus.client.MetricFamily` messages, each
    /// after its length. It alone carries native histograms.
    pub fn encode_protobuf(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode_into(&mut out, Format::Protobuf, &|_| true);
        out
    }

    /// Everything as OpenTelemetry's `ExportMetricsServiceRequest`.
    #[cfg(feature = "otlp-push")]
    pub(crate) fn encode_otlp(&self, resource: &obs_otlp::Resource) -> Vec<u8> {
        let mut otlp = crate::expose::Otlp::new(self.0.created.0);
        self.expose_until(Instant::now() + COLLECT_TIMEOUT, &mut otlp, &|_| true);
        otlp.finish(resource)
    }

    fn encode(&self, format: Format) -> String {
        let mut out = Vec::new();
        self.encode_into(&mut out, format, &|_| true);
        String::from_utf8(out).unwrap_or_default()
    }

    /// Writes every family that is wanted, and the end mark.
    pub(crate) fn encode_into(
        &self,
        out: &mut Vec<u8>,
        format: Format,
        wanted: &dyn Fn(&Descriptor) -> bool,
    ) {
        self.encode_until(Instant::now() + COLLECT_TIMEOUT, out, format, wanted);
    }

    /// [`Self::encode_into`], without the sources that have not returned by the deadline.
    pub(crate) fn encode_until(
        &self,
        deadline: Instant,
        out: &mut Vec<u8>,
        format: Format,
        wanted: &dyn Fn(&Descriptor) -> bool,
    ) {
        if format == Format::Protobuf {
            let mut protobuf = Protobuf::new(out);
            self.expose_until(deadline, &mut protobuf, wanted);
            return protobuf.finish();
        }
        self.expose_until(deadline, &mut Text::new(out, format), wanted);
        if format == Format::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
    }

    /// Writes the wanted families, without the sources that have not returned by the deadline.
    pub(crate) fn expose_until(
        &self,
        deadline: Instant,
        out: &mut dyn Expose,
        wanted: &dyn Fn(&Descriptor) -> bool,
    ) {
        let foreign = self.expose_registered(deadline, out, wanted);
        #[cfg(feature = "prometheus-client")]
        WithCommonLabels::write(out, &self.0.common, true, |out| {
            self.expose_foreign(&foreign, out, wanted);
        });
        #[cfg(not(feature = "prometheus-client"))]
        let _nothing_foreign: Vec<Batch> = foreign;
    }

    /// Writes the registered families and the mounted sources, and returns what foreign registries wrote.
    pub(crate) fn expose_registered(
        &self,
        deadline: Instant,
        out: &mut dyn Expose,
        wanted: &dyn Fn(&Descriptor) -> bool,
    ) -> Vec<Batch> {
        let families = self.collectors();
        let in_push = out.is_push();
        WithCommonLabels::write(out, &self.0.common, false, |out| {
            let is_shown = |known: &Descriptor| known.is_shown(in_push) && wanted(known);
            for family in families.iter().filter(|family| is_shown(family.descriptor())) {
                family.expose(out);
            }
        });
        let mut source_samples = std::mem::take(&mut *self.source_samples());
        source_samples.begin();
        let mut foreign = Vec::new();
        self.0.sources.collect(deadline, |batch| match batch.is_foreign {
            true => foreign.push(std::mem::take(batch)),
            false => source_samples.add_batch(batch),
        });
        source_samples.add_own(|own| self.collect_own(&families, own));
        WithCommonLabels::write(out, &self.0.common, true, |out| {
            source_samples.expose(out, wanted, &|name| self.families().claims.contains_key(name));
        });
        *self.source_samples() = source_samples;
        foreign
    }

    fn source_samples(&self) -> MutexGuard<'_, SourceSamples> {
        self.0.source_samples.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(feature = "prometheus-client")]
    fn expose_foreign(
        &self,
        foreign: &[Batch],
        out: &mut dyn Expose,
        wanted: &dyn Fn(&Descriptor) -> bool,
    ) {
        let mut shown = match foreign {
            [] => return,
            _ => self.source_samples().claimed_names().clone(),
        };
        for batch in foreign {
            crate::foreign::expose(batch, out, wanted, &mut |family| {
                let own = self.families();
                let taken = |name: &String| own.claims.contains_key(name) || shown.contains(name);
                let claims: Vec<_> = family.claims().collect();
                let is_taken = claims.iter().any(taken);
                if !is_taken {
                    shown.extend(claims);
                }
                is_taken
            });
        }
    }
}
