//! What may be called in a filter: `geoDistance` and `strftime`.

/// Mean radius of the earth.
const EARTH_KM: f64 = 6371.0;

pub fn exists(name: &str) -> bool {
    matches!(name, "geoDistance" | "strftime")
}

/// Why the function `name` can't take this many operands.
pub fn misused(name: &str, operands: usize) -> Option<&'static str> {
    match name {
        "geoDistance" if operands != 4 => Some("geoDistance takes four operands"),
        "strftime" if operands < 1 => Some("strftime takes a format, a date and its modifiers"),
        _ => None,
    }
}

/// Kilometres between two points on the globe, both in degrees.
pub fn geo_distance(lon_a: f64, lat_a: f64, lon_b: f64, lat_b: f64) -> f64 {
    let (a, b) = (lat_a.to_radians(), lat_b.to_radians());
    let half = |degrees: f64| (degrees.to_radians() / 2.0).sin().powi(2);
    let chord = half(lat_b - lat_a) + a.cos() * b.cos() * half(lon_b - lon_a);
    2.0 * EARTH_KM * chord.clamp(0.0, 1.0).sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_follow_the_globe() {
        let sofia_paris = geo_distance(23.32, 42.69, 2.35, 48.85);
        assert!((1740.0..1780.0).contains(&sofia_paris), "{sofia_paris}");
        assert_eq!(geo_distance(1.0, 2.0, 1.0, 2.0), 0.0);
        let half = geo_distance(0.0, 0.0, 180.0, 0.0);
        assert!((half - EARTH_KM * std::f64::consts::PI).abs() < 0.001);
    }
}
