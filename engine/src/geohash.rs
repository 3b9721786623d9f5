//! Places on the earth as numbers of 52 bits, distances between them, and the cells in which to look for what is near.
//!
//! Longitude and latitude are cut into 2^26 steps each and their bits interleaved, so that places in the same cell of a
//! grid have the same highest bits: a cell is a range of scores of a sorted set. What is near a place lies in its cell
//! or the eight around it, if the cells are large enough.
//!
//! ```text
//! step 2:   longitude bits  x1 x0, latitude bits  y1 y0  ─►  x1 y1 x0 y0
//! ```
//!
//! Every number is that of Redis to the last bit, which fixes the order of the operations below.
//!
//! # Source
//! - ranges, earth's radius, rules for the size of cells: Redis 7.2

use std::f64::consts::PI;

/// The longitudes that there are.
pub const LONGITUDE: (f64, f64) = (-180.0, 180.0);
/// The latitudes that can be told apart: those of web maps, not the poles.
pub const LATITUDE: (f64, f64) = (-85.05112878, 85.05112878);
/// The latitudes of the usual geohash.
const WHOLE_LATITUDE: (f64, f64) = (-90.0, 90.0);

const STEP_MAX: u32 = 26;
const EARTH_RADIUS: f64 = 6372797.560856;
/// Half of the equator on a web map, in metres.
const MERCATOR_MAX: f64 = 20037726.37;

/// A place, in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Place {
    /// East is positive.
    pub longitude: f64,
    /// North is positive.
    pub latitude: f64,
}

/// A cell of the grid that has 2^step columns and rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell {
    bits: u64,
    step: u32,
}

/// The ends of a cell.
struct Area {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

const EVEN: u64 = 0x5555_5555_5555_5555;

/// Puts a zero before each bit.
fn spread(bits: u32) -> u64 {
    let mut x = bits as u64;
    x = (x | x << 16) & 0x0000_ffff_0000_ffff;
    x = (x | x << 8) & 0x00ff_00ff_00ff_00ff;
    x = (x | x << 4) & 0x0f0f_0f0f_0f0f_0f0f;
    x = (x | x << 2) & 0x3333_3333_3333_3333;
    (x | x << 1) & EVEN
}

/// Keeps every other bit, the lowest first.
fn gather(bits: u64) -> u32 {
    let mut x = bits & EVEN;
    x = (x | x >> 1) & 0x3333_3333_3333_3333;
    x = (x | x >> 2) & 0x0f0f_0f0f_0f0f_0f0f;
    x = (x | x >> 4) & 0x00ff_00ff_00ff_00ff;
    x = (x | x >> 8) & 0x0000_ffff_0000_ffff;
    (x | x >> 16) as u32
}

fn encode(place: Place, latitudes: (f64, f64), step: u32) -> u64 {
    let part = |value: f64, (min, max): (f64, f64)| {
        // The highest value comes to 2^step, one more than fits: so it is in Redis.
        ((value - min) / (max - min) * (1u64 << step) as f64) as u32
    };
    spread(part(place.latitude, latitudes)) | spread(part(place.longitude, LONGITUDE)) << 1
}

impl Place {
    /// Whether the place can be kept.
    pub fn is_valid(self) -> bool {
        (LONGITUDE.0..=LONGITUDE.1).contains(&self.longitude)
            && (LATITUDE.0..=LATITUDE.1).contains(&self.latitude)
    }

    /// The score that stands for the place.
    pub fn score(self) -> u64 {
        encode(self, LATITUDE, STEP_MAX)
    }

    /// The place that a score stands for: the middle of its cell. Any score is some place.
    pub fn of_score(score: f64) -> Place {
        let area = Cell { bits: score_bits(score), step: STEP_MAX }.area();
        let middle = |low: f64, high: f64, (min, max): (f64, f64)| {
            let middle = (low + high) / 2.0;
            if middle > max {
                max
            } else if middle < min {
                min
            } else {
                middle
            }
        };
        Place {
            longitude: middle(area.west, area.east, LONGITUDE),
            latitude: middle(area.south, area.north, LATITUDE),
        }
    }

    /// The usual geohash of eleven letters. There are bits for ten, so the last is always 0.
    pub fn text(self) -> [u8; 11] {
        const LETTERS: &[u8; 32] = b"0123456789bcdefghjkmnpqrstuvwxyz";
        let bits = encode(self, WHOLE_LATITUDE, STEP_MAX);
        std::array::from_fn(|index| match index {
            10 => LETTERS[0],
            index => LETTERS[(bits >> (52 - (index + 1) * 5)) as usize & 31],
        })
    }

    /// The distance along the surface, in metres.
    pub fn distance(self, other: Place) -> f64 {
        let v = ((radians(other.longitude) - radians(self.longitude)) / 2.0).sin();
        if v == 0.0 {
            return latitude_distance(self.latitude, other.latitude);
        }
        let (from, to) = (radians(self.latitude), radians(other.latitude));
        let u = ((to - from) / 2.0).sin();
        let a = u * u + from.cos() * to.cos() * v * v;
        2.0 * EARTH_RADIUS * a.sqrt().asin()
    }
}

/// The distance of two places with the same longitude, in metres.
fn latitude_distance(from: f64, to: f64) -> f64 {
    EARTH_RADIUS * (radians(to) - radians(from)).abs()
}

fn radians(degrees: f64) -> f64 {
    degrees * (PI / 180.0)
}

fn degrees(radians: f64) -> f64 {
    radians / (PI / 180.0)
}

/// The bits of a score, also of one that no place has, as the processors that Redis runs on convert it.
fn score_bits(score: f64) -> u64 {
    const HALF: f64 = (1u64 << 63) as f64;
    if score < -HALF {
        1 << 63
    } else if score < HALF {
        score as i64 as u64
    } else if score < 2.0 * HALF {
        score as u64
    } else {
        0
    }
}

impl Cell {
    fn of(place: Place, step: u32) -> Cell {
        Cell { bits: encode(place, LATITUDE, step), step }
    }

    fn area(self) -> Area {
        let (row, column) = (gather(self.bits), gather(self.bits >> 1));
        let at = |index: u32, (min, max): (f64, f64)| {
            min + (index as f64 / (1u64 << self.step) as f64) * (max - min)
        };
        Area {
            west: at(column, LONGITUDE),
            east: at(column.wrapping_add(1), LONGITUDE),
            south: at(row, LATITUDE),
            north: at(row.wrapping_add(1), LATITUDE),
        }
    }

    /// The cell so many columns to the east and rows to the north: −1, 0 or 1 of each. Around the edge it goes on at the
    /// other side.
    fn beside(self, east: i64, north: i64) -> Cell {
        let moved = |part: u32, by: i64| match by {
            0 => part,
            by => ((part as i64 + by) & ((1 << self.step) - 1)) as u32,
        };
        let (row, column) = (gather(self.bits), gather(self.bits >> 1));
        let bits = spread(moved(row, north)) | spread(moved(column, east)) << 1;
        Cell { bits, step: self.step }
    }

    /// The scores of the places inside, without the upper end.
    pub fn scores(self) -> (f64, f64) {
        let shift = 52 - self.step * 2;
        ((self.bits << shift) as f64, ((self.bits + 1) << shift) as f64)
    }
}

/// What is looked for around a place.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Shape {
    /// All within a radius.
    Circle {
        /// In units.
        radius: f64,
    },
    /// All within half the width to either side and half the height up and down.
    Box {
        /// In units.
        width: f64,
        /// In units.
        height: f64,
    },
}

/// A search around a place.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Search {
    /// The middle.
    pub center: Place,
    /// What belongs to it.
    pub shape: Shape,
    /// Metres of a unit.
    pub unit: f64,
}

impl Search {
    /// The distance of a place from the middle in metres, if the place belongs to the search.
    pub fn distance(&self, place: Place) -> Option<f64> {
        match self.shape {
            Shape::Circle { radius } => {
                let distance = self.center.distance(place);
                // What is no number counts as near.
                let far = distance > radius * self.unit;
                (!far).then_some(distance)
            }
            Shape::Box { width, height } => {
                let (width, height) = (width * self.unit, height * self.unit);
                if latitude_distance(place.latitude, self.center.latitude) > height / 2.0 {
                    return None;
                }
                let beside = Place { longitude: self.center.longitude, ..place };
                if place.distance(beside) > width / 2.0 {
                    return None;
                }
                Some(self.center.distance(place))
            }
        }
    }

    /// The ends of what is searched.
    fn area(&self) -> Area {
        let (width, height) = match self.shape {
            Shape::Circle { radius } => (self.unit * radius, self.unit * radius),
            Shape::Box { width, height } => (self.unit * (width / 2.0), self.unit * (height / 2.0)),
        };
        let Place { longitude, latitude } = self.center;
        let up = degrees(height / EARTH_RADIUS);
        // Away from the equator, the same width is more degrees.
        let outer = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = degrees(width / EARTH_RADIUS / radians(outer).cos());
        Area {
            west: longitude - aside,
            east: longitude + aside,
            south: latitude - up,
            north: latitude + up,
        }
    }

    /// How many steps make cells as large as the search is wide.
    fn steps(&self) -> u32 {
        let mut radius = self.unit
            * match self.shape {
                Shape::Circle { radius } => radius,
                Shape::Box { width, height } => {
                    ((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0)).sqrt()
                }
            };
        if radius == 0.0 {
            return STEP_MAX;
        }
        let mut steps = -1i32;
        while radius < MERCATOR_MAX {
            radius *= 2.0;
            steps += 1;
        }
        // Towards the poles the cells are narrow.
        let latitude = self.center.latitude.abs();
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEP_MAX as i32) as u32
    }

    /// The cells in which to look, in the order in which results come.
    pub fn cells(&self) -> Vec<Cell> {
        let bounds = self.area();
        let mut center = Cell::of(self.center, self.steps());
        let [north, south, east, west] =
            [(0, 1), (0, -1), (1, 0), (-1, 0)].map(|(x, y)| center.beside(x, y).area());
        let short = north.north < bounds.north
            || south.south > bounds.south
            || east.east < bounds.east
            || west.west > bounds.west;
        if center.step > 1 && short {
            center = Cell::of(self.center, center.step - 1);
        }
        // Cells on a side where the middle cell already holds all that is searched are left out.
        let area = center.area();
        let large = center.step >= 2;
        let skip_south = large && area.south < bounds.south;
        let skip_north = large && area.north > bounds.north;
        let skip_west = large && area.west < bounds.west;
        let skip_east = large && area.east > bounds.east;
        let around = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)];
        let mut cells: Vec<Cell> = Vec::with_capacity(around.len());
        for (x, y) in around {
            let skipped = (x > 0 && skip_east)
                || (x < 0 && skip_west)
                || (y > 0 && skip_north)
                || (y < 0 && skip_south);
            let cell = center.beside(x, y);
            // In the coarsest grid, opposite neighbours are the same.
            if !skipped && !cells.contains(&cell) {
                cells.push(cell);
            }
        }
        cells
    }
}

#[cfg(test)]
mod tests;
