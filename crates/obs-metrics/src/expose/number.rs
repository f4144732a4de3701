//! Numbers as both text formats write them.

/// A number of a counter.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Integer(u64),
    Float(f64),
}

impl Number {
    pub(crate) fn as_float(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Float(value) => value,
        }
    }

    pub(crate) fn push(self, out: &mut Vec<u8>) {
        match self {
            Self::Integer(value) => push_integer(out, value),
            Self::Float(value) => push_float(out, value),
        }
    }
}

pub(crate) fn push_integer(out: &mut Vec<u8>, value: u64) {
    if value < 10 {
        out.push(b'0' + value as u8);
    } else {
        out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    }
}

/// A float in the shortest form that reads back the same; whole numbers without a fraction.
pub(crate) fn push_float(out: &mut Vec<u8>, value: f64) {
    const MAX_EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
    } else if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
    } else if value.fract() == 0.0
        && value.abs() < MAX_EXACT_INTEGER
        && !(value == 0.0 && value.is_sign_negative())
    {
        out.extend_from_slice(itoa::Buffer::new().format(value as i64).as_bytes());
    } else {
        out.extend_from_slice(zmij::Buffer::new().format_finite(value).as_bytes());
    }
}

/// `le="0.5"} `, the end of a bucket's series: the bound always with a fraction, as OpenMetrics wants
/// it, so that a series has one identity.
pub(crate) fn le(bound: f64) -> Box<str> {
    if bound.is_infinite() {
        return "le=\"+Inf\"} ".into();
    }
    format!("le=\"{}\"}} ", zmij::Buffer::new().format(bound)).into()
}

/// The labels of a quantile: `labels,quantile="0.99"`.
pub(crate) fn quantile_label(labels: &str, share: f64) -> String {
    let comma = if labels.is_empty() { "" } else { "," };
    format!("{labels}{comma}quantile=\"{}\"", zmij::Buffer::new().format(share))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(value: f64) -> String {
        let mut out = Vec::new();
        push_float(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn floats_parse_back_to_same_value() {
        let odd = [0.0, -0.0, 1.0, 0.1, -2.5, 1e15, 1e16, 1e300, 5e-324, f64::MAX, 0.1 + 0.2];
        for value in odd {
            assert_eq!(float(value).parse::<f64>().unwrap().to_bits(), value.to_bits(), "{value}");
        }
        assert_eq!(float(f64::NAN), "NaN");
        assert_eq!(float(f64::INFINITY), "+Inf");
        assert_eq!(float(f64::NEG_INFINITY), "-Inf");
        assert_eq!(float(3.0), "3");
    }

    #[test]
    fn bounds_of_whole_numbers_have_fraction() {
        assert_eq!(&*le(1.0), "le=\"1.0\"} ");
        assert_eq!(&*le(0.005), "le=\"0.005\"} ");
        assert_eq!(&*le(f64::INFINITY), "le=\"+Inf\"} ");
    }
}
