//! Lists in order. The standard library's sort is some 4 kB of code for each type of item, and the lists here are short.

/// Puts `item` behind all items that `comes_before` it, in a list that is in that order.
pub fn insert<T>(list: &mut Vec<T>, item: T, comes_before: impl Fn(&T) -> bool) {
    list.insert(list.partition_point(comes_before), item);
}

#[cfg(test)]
mod tests {
    #[test]
    fn items_end_up_in_order_and_equal_ones_as_they_came() {
        let mut list: Vec<(u8, char)> = Vec::new();
        for item in [(2, 'a'), (1, 'b'), (2, 'c'), (0, 'd'), (1, 'e')] {
            super::insert(&mut list, item, |known| known.0 <= item.0);
        }
        assert_eq!(list, [(0, 'd'), (1, 'b'), (1, 'e'), (2, 'a'), (2, 'c')]);
    }
}
