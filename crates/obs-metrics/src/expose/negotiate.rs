//! Negotiates the format of a scrape.

use super::format::Format;

/// The answer's format: what `Accept` prefers of what we have; the classic text where it says nothing
/// that we know.
///
/// Quality values count (RFC 9110, section 12.4.2); of equals, the first that is written wins.
pub(crate) fn negotiate(accept: &str) -> Format {
    let mut best = (0, Format::Classic);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let Some(format) = parts.next().and_then(format) else { continue };
        let mut quality = 1000;
        let mut version = None;
        let mut delimited = false;
        for parameter in parts {
            match parameter.split_once('=') {
                Some(("q" | "Q", value)) => quality = thousandths(value),
                Some(("encoding", value)) => delimited = value == "delimited",
                Some(("version", value)) => version = Some(value.trim_matches('"')),
                _ => {}
            }
        }
        let known = match (format, version) {
            (Format::Protobuf, _) => delimited,
            (_, None) => true,
            (Format::Classic, Some(version)) => version == "0.0.4",
            (Format::OpenMetrics, Some(version)) => matches!(version, "1.0.0" | "0.0.1"),
        };
        if known && quality > best.0 {
            best = (quality, format);
        }
    }
    best.1
}

/// How much `Accept-Encoding` likes this coding, in thousandths; 0 where it does not take it.
pub(crate) fn coding_quality(accept: &str, coding: &str) -> u32 {
    let quality = |wanted: &str| {
        accept.split(',').find_map(|item| {
            let mut parts = item.split(';').map(str::trim);
            parts.next().filter(|name| name.eq_ignore_ascii_case(wanted))?;
            let q = parts.find_map(|part| part.strip_prefix("q=").or(part.strip_prefix("Q=")));
            Some(q.map_or(1000, thousandths))
        })
    };
    quality(coding).or_else(|| quality("*")).unwrap_or(0)
}

fn format(media: &str) -> Option<Format> {
    const MEDIA_TYPES: [(&str, Format); 5] = [
        ("application/openmetrics-text", Format::OpenMetrics),
        ("application/vnd.google.protobuf", Format::Protobuf),
        ("text/plain", Format::Classic),
        ("text/*", Format::Classic),
        ("*/*", Format::Classic),
    ];
    let known = MEDIA_TYPES.iter().find(|(name, _)| media.eq_ignore_ascii_case(name));
    known.map(|(_, format)| *format)
}

fn thousandths(quality: &str) -> u32 {
    let quality: f64 = quality.trim().parse().unwrap_or(0.0);
    (quality.clamp(0.0, 1.0) * 1000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negotiation_follows_quality_values() {
        // Prometheus 2.42 with native histograms; without, it leaves the first one out.
        let prometheus = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
            encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(negotiate(prometheus), Format::Protobuf);
        assert_eq!(negotiate(&prometheus.replace("delimited", "text")), Format::OpenMetrics);
        assert_eq!(negotiate("text/plain, application/openmetrics-text; q=0.9"), Format::Classic);
        assert_eq!(negotiate("application/openmetrics-text; version=2.0.0"), Format::Classic);
        assert_eq!(negotiate("application/openmetrics-text; q=0, */*; q=0.1"), Format::Classic);
        assert_eq!(negotiate("text/html,application/xhtml+xml,*/*;q=0.8"), Format::Classic);
        assert_eq!(negotiate(""), Format::Classic);
        assert_eq!(negotiate(";;,=,q=;q=nan"), Format::Classic);
    }

    #[test]
    fn accept_header_of_prometheus_3_selects_first_format() {
        // Its headers say how it would have names escaped that ours never are (scrape.go, acceptHeader).
        let text = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(negotiate(text), Format::OpenMetrics);
        let protobuf = format!(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
             encoding=delimited;escaping=allow-utf-8;q=0.7,{text}"
        );
        assert_eq!(negotiate(&protobuf), Format::Protobuf);
        let classic =
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3";
        assert_eq!(negotiate(classic), Format::Classic);
    }

    #[test]
    fn coding_quality_follows_accept_encoding() {
        assert_eq!(coding_quality("gzip, deflate", "gzip"), 1000);
        assert_eq!(coding_quality("br;q=1, *;q=0.1", "gzip"), 100);
        assert_eq!(coding_quality("gzip;q=0", "gzip"), 0);
        assert_eq!(coding_quality("gzip;q=0, *", "gzip"), 0);
        assert_eq!(coding_quality("identity", "gzip"), 0);
        assert_eq!(coding_quality("", "gzip"), 0);
    }
}
