//! The version of Redis whose behaviour is promised, and that scripts are told: the one place that says it.

/// As text.
pub const TEXT: &str = "7.2.6";
/// A byte for each part.
pub const NUMBER: u32 = 0x0007_0206;

#[cfg(test)]
mod tests {
    #[test]
    fn text_and_number_say_the_same() {
        let parts = super::TEXT.split('.').map(|part| part.parse::<u32>().unwrap());
        assert_eq!(parts.fold(0, |number, part| number << 8 | part), super::NUMBER);
    }
}
