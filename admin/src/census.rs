//! What directory servers know of where groups are, read from the cells of their answers.

use chatring_machines::machine::{GroupPlace, NodeLoad};
use chatring_machines::names::{GroupName, NodeKey};
use chatring_machines::wire::Text;

/// The answer to LOADS. `None`: it is none.
pub fn loads(cells: &[Text]) -> Option<Vec<NodeLoad>> {
    let load = |[node, groups, members]: &[Text; 3]| {
        Some(NodeLoad { node: NodeKey::new(node).ok()?, groups: groups.parse().ok()?, members: members.parse().ok()? })
    };
    let (rows, rest) = cells.as_chunks();
    rows.iter().map(load).collect::<Option<Vec<NodeLoad>>>().filter(|_| rest.is_empty())
}

/// The answer to PLACES. `None`: it is none.
pub fn places(cells: &[Text]) -> Option<Vec<GroupPlace>> {
    let place = |[group, master, members, near, seq]: &[Text; 5]| {
        let (group, master) = (GroupName::new(group).ok()?, NodeKey::new(master).ok()?);
        Some(GroupPlace { group, master, members: members.parse().ok()?, near: near.parse().ok()?, seq: seq.parse().ok()? })
    };
    let (rows, rest) = cells.as_chunks();
    rows.iter().map(place).collect::<Option<Vec<GroupPlace>>>().filter(|_| rest.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(words: &str) -> Vec<Text> {
        words.split(' ').map(Text::from).collect()
    }

    #[test]
    fn cells_become_rows() {
        let load = NodeLoad { node: NodeKey::new("192.0.2.1").unwrap(), groups: 2, members: 7 };
        assert_eq!(loads(&texts("192.0.2.1 2 7")), Some(vec![load]));
        assert_eq!((loads(&[]), loads(&texts("192.0.2.1 2")), loads(&texts("nobody 2 7"))), (Some(Vec::new()), None, None));
        let place =
            GroupPlace { group: GroupName::new("#a").unwrap(), master: NodeKey::new("192.0.2.1").unwrap(), members: 3, near: 1, seq: 9 };
        assert_eq!(places(&texts("#a 192.0.2.1 3 1 9")), Some(vec![place]));
        assert_eq!((places(&texts("#a 192.0.2.1 3 1")), places(&texts("#a 192.0.2.1 3 1 many"))), (None, None));
    }
}
