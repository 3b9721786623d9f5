//! Places and searches against known values of Redis, and searches against looking at every place.

use super::*;
use crate::random::Random;

const PALERMO: Place = Place { longitude: 13.361389, latitude: 38.115556 };
const CATANIA: Place = Place { longitude: 15.087269, latitude: 37.502669 };

/// Values of Redis 7.0.15 (ZSCORE, GEOPOS, GEOHASH, GEODIST).
#[test]
fn places_are_those_of_redis() {
    assert_eq!((PALERMO.score(), CATANIA.score()), (3479099956230698, 3479447370796909));
    let kept = Place::of_score(3479099956230698.0);
    assert_eq!(
        format!("{:.17} {:.17}", kept.longitude, kept.latitude),
        "13.36138933897018433 38.11555639549629859"
    );
    assert_eq!(&kept.text(), b"sqc8b49rny0");
    let other = Place::of_score(3479447370796909.0);
    assert_eq!(format!("{:.4}", kept.distance(other)), "166274.1516");
    assert_eq!(kept.distance(kept), 0.0);
}

#[test]
fn corners_are_kept() {
    for longitude in [-180.0, 0.0, 180.0] {
        for latitude in [LATITUDE.0, 0.0, LATITUDE.1] {
            let place = Place { longitude, latitude };
            assert!(place.is_valid());
            let kept = Place::of_score(place.score() as f64);
            assert!(kept.is_valid());
        }
    }
    for (longitude, latitude) in [(180.1, 0.0), (0.0, 85.06), (f64::INFINITY, 0.0), (0.0, f64::NAN)]
    {
        assert!(!Place { longitude, latitude }.is_valid());
    }
}

#[test]
fn any_score_is_some_place() {
    for score in [-1.0, -1e300, 1e300, 0.5, f64::INFINITY, f64::NEG_INFINITY, 9.3e18, 1e19, -9.3e18]
    {
        assert!(Place::of_score(score).is_valid(), "{score}");
    }
    assert_eq!(score_bits(-1.0), u64::MAX);
    assert_eq!(score_bits(1e19), 10_000_000_000_000_000_000);
}

#[test]
fn neighbours_go_on_around_the_edge() {
    let cell = Cell { bits: 0, step: 3 };
    assert_eq!(cell.beside(0, 0), cell);
    let corner = cell.beside(-1, -1);
    assert_eq!(corner.bits, 0x3f);
    assert_eq!(corner.beside(1, 1), cell);
    assert_eq!(cell.beside(1, 0).bits, 2);
    assert_eq!(cell.beside(0, 1).bits, 1);
}

fn between(random: &mut Random, (min, max): (f64, f64)) -> f64 {
    min + (random.draw() >> 11) as f64 / (1u64 << 53) as f64 * (max - min)
}

/// Away from the date line, where Redis does not look around the edge either, the cells hold all that belongs to a
/// search, each place once.
#[test]
fn cells_hold_what_is_near() {
    let mut random = Random::new(7);
    let mut found = 0;
    for round in 0..400 {
        let center = Place {
            longitude: between(&mut random, (-90.0, 90.0)),
            latitude: between(&mut random, (-70.0, 70.0)),
        };
        let size = 10f64.powf(between(&mut random, (0.0, 3.0)));
        let shape = match round % 2 {
            0 => Shape::Circle { radius: size },
            _ => Shape::Box { width: size * 2.0, height: between(&mut random, (0.1, 2.0)) * size },
        };
        let search = Search { center, shape, unit: 1000.0 };
        let cells = search.cells();
        for _ in 0..200 {
            let degrees = size / 60.0;
            let place = Place {
                longitude: (center.longitude + between(&mut random, (-degrees, degrees)))
                    .clamp(-180.0, 180.0),
                latitude: (center.latitude + between(&mut random, (-degrees, degrees)))
                    .clamp(-85.0, 85.0),
            };
            let score = place.score() as f64;
            if search.distance(Place::of_score(score)).is_some() {
                let inside = |cell: &&Cell| (cell.scores().0..cell.scores().1).contains(&score);
                assert_eq!(cells.iter().filter(inside).count(), 1, "{search:?} {place:?}");
                found += 1;
            }
        }
    }
    assert!(found > 5000, "{found}");
}

#[test]
fn impossible_sizes_are_searched() {
    for size in [0.0, 1e-300, 1e300, f64::INFINITY] {
        for shape in [Shape::Circle { radius: size }, Shape::Box { width: size, height: size }] {
            let cells = Search { center: PALERMO, shape, unit: 1609.34 }.cells();
            assert!((1..=9).contains(&cells.len()));
        }
    }
}
