//! Which format the scraper asks for.

use super::Flavour;

/// The answer's format: what `Accept` prefers of what we have; the classic text where it says nothing
/// that we know.
///
/// Quality values count (RFC 9110, section 12.4.2); of equals, the first that is written wins.
pub(crate) fn negotiate(accept: &str) -> Flavour {
    let mut best = (0, Flavour::Classic);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let Some(flavour) = parts.next().and_then(flavour) else { continue };
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
        let known = match (flavour, version) {
            (Flavour::Protobuf, _) => delimited,
            (_, None) => true,
            (Flavour::Classic, Some(version)) => version == "0.0.4",
            (Flavour::OpenMetrics, Some(version)) => matches!(version, "1.0.0" | "0.0.1"),
        };
        if known && quality > best.0 {
            best = (quality, flavour);
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

fn flavour(media: &str) -> Option<Flavour> {
    const KNOWN: [(&str, Flavour); 5] = [
        ("application/openmetrics-text", Flavour::OpenMetrics),
        ("application/vnd.google.protobuf", Flavour::Protobuf),
        ("text/plain", Flavour::Classic),
        ("text/*", Flavour::Classic),
        ("*/*", Flavour::Classic),
    ];
    let known = KNOWN.iter().find(|(name, _)| media.eq_ignore_ascii_case(name));
    known.map(|(_, flavour)| *flavour)
}

fn thousandths(quality: &str) -> u32 {
    let quality: f64 = quality.trim().parse().unwrap_or(0.0);
    (quality.clamp(0.0, 1.0) * 1000.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scrapers_preference_wins() {
        // Prometheus 2.42 with native histograms; without, it leaves the first one out.
        let prometheus = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
            encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,\
            application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        assert_eq!(negotiate(prometheus), Flavour::Protobuf);
        assert_eq!(negotiate(&prometheus.replace("delimited", "text")), Flavour::OpenMetrics);
        assert_eq!(negotiate("text/plain, application/openmetrics-text; q=0.9"), Flavour::Classic);
        assert_eq!(negotiate("application/openmetrics-text; version=2.0.0"), Flavour::Classic);
        assert_eq!(negotiate("application/openmetrics-text; q=0, */*; q=0.1"), Flavour::Classic);
        assert_eq!(negotiate("text/html,application/xhtml+xml,*/*;q=0.8"), Flavour::Classic);
        assert_eq!(negotiate(""), Flavour::Classic);
        assert_eq!(negotiate(";;,=,q=;q=nan"), Flavour::Classic);
    }

    #[test]
    fn prometheus_3_gets_what_it_prefers() {
        // Its headers say how it would have names escaped that ours never are (scrape.go, acceptHeader).
        let text = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
            application/openmetrics-text;version=0.0.1;q=0.5,\
            text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        assert_eq!(negotiate(text), Flavour::OpenMetrics);
        let protobuf = format!(
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
             encoding=delimited;escaping=allow-utf-8;q=0.7,{text}"
        );
        assert_eq!(negotiate(&protobuf), Flavour::Protobuf);
        let classic =
            "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3";
        assert_eq!(negotiate(classic), Flavour::Classic);
    }

    #[test]
    fn a_coding_is_used_only_where_it_is_taken() {
        assert_eq!(coding_quality("gzip, deflate", "gzip"), 1000);
        assert_eq!(coding_quality("br;q=1, *;q=0.1", "gzip"), 100);
        assert_eq!(coding_quality("gzip;q=0", "gzip"), 0);
        assert_eq!(coding_quality("gzip;q=0, *", "gzip"), 0);
        assert_eq!(coding_quality("identity", "gzip"), 0);
        assert_eq!(coding_quality("", "gzip"), 0);
    }
}
