package subid

// A Reserved range has a meaning already. IDs are never allocated from it, but
// from a soft one where nothing else is free.
type Reserved struct {
	Range
	Name string // whose they are
	// Soft marks the IDs that systemd-nspawn picks container ranges from: it
	// looks at the accounts before it does, but not at subuid. Nearly all of
	// the window that shadow-utils allocates from lies in there.
	Soft bool
}

// ReservedRanges returns the ranges that no allocation should touch, in order,
// mostly after https://systemd.io/UIDS-GIDS/.
func ReservedRanges() []Reserved { return append([]Reserved(nil), reservedTable[:]...) }

// reservedTable is an array so that nothing can be appended to it.
var reservedTable = [...]Reserved{
	{Range{0, 1}, "the root user", false},
	{Range{1, 999}, "system users", false},
	{Range{1000, 59001}, "login users", false},
	{Range{60001, 513}, "systemd-homed", false},
	{Range{60514, 64}, "host users mapped into systemd-nspawn containers", false},
	{Range{60578, 128}, "greeters of systemd", false},
	{Range{60706, 478}, "below 65536, where no range belongs", false},
	{Range{61184, 4336}, "DynamicUser= of systemd", false},
	{Range{65520, 14}, "below 65536, where no range belongs", false},
	{Range{65534, 1}, "nobody, and IDs that are not mapped", false},
	{Range{65535, 1}, "(uid_t)-1 of 16-bit programs", false},
	{Range{524288, 1878523904}, "container ranges of systemd-nspawn and nsresourced", true},
	{Range{2147352576, 65536}, "foreign IDs of systemd", false},
	{Range{2147483648, 2147483647}, "IDs from 2^31 on, which programs with signed numbers get wrong", false},
}

// reservedSpans are all of the table, and hardSpans all but the soft ones.
var reservedSpans, hardSpans = func() (all, hard spans) {
	for _, x := range reservedTable {
		all.addRange(x.Range)
		if !x.Soft {
			hard.addRange(x.Range)
		}
	}
	return all.sort(), hard.sort()
}()
