use super::may_be_swapped;

const NONE: &str = "Filename\tType\tSize\tUsed\tPriority\n";
const ON: &str = "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 8388604 0 -2\n";
const MOUNTS: &str = "\
23 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 23 0:31 / /run/secretref rw,nosuid - tmpfs tmpfs rw,size=1024k,noswap
41 23 0:32 / /dev/shm rw shared:7 master:2 - tmpfs noswap rw,size=1024k
42 23 0:33 / /mnt/noswap rw - ramfs none rw
";

#[test]
fn swap_matters_only_where_it_is_on() {
    assert!(!may_be_swapped(NONE, MOUNTS, Some(41)));
    assert!(may_be_swapped(ON, MOUNTS, Some(41)));
}

#[test]
fn noswap_counts_only_as_an_option_of_this_mount() {
    assert!(!may_be_swapped(ON, MOUNTS, Some(40)));
    assert!(may_be_swapped(ON, MOUNTS, Some(41)), "its source is named noswap");
    assert!(!may_be_swapped(ON, MOUNTS, Some(42)), "ramfs is never swapped out");
}

#[test]
fn what_is_not_known_is_warned_of() {
    assert!(may_be_swapped(ON, MOUNTS, None));
    assert!(may_be_swapped(ON, MOUNTS, Some(99)));
    assert!(may_be_swapped(ON, "", Some(40)));
}
