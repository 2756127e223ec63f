package peerbench

import "testing"

// BenchmarkSides runs every side of every row on its own, for benchstat:
//
//	CGO_ENABLED=0 go test -run '^$' -bench Sides/parse_subuid -count 10 | benchstat -col /side -
func BenchmarkSides(b *testing.B) {
	list := rows(b,
		func(dir string) ([]Row, error) { return ParseRows(dir, 1e3, 65e3, 1e6) },
		func(string) ([]Row, error) { return ParseTextRows(1e3, 65e3, 1e6), nil },
		func(dir string) ([]Row, error) { return OwnerRows(dir, 1e3, 65e3, 1e6) },
		func(dir string) ([]Row, error) { return FindRows(dir, 10, 65e3) },
		translateRows, mapFileRows,
		func(string) ([]Row, error) { return SetRows(300, 1<<16, 1<<20-200), nil },
		bootRows)
	for _, r := range list {
		for _, s := range r.Sides {
			b.Run(r.Work+"/"+r.Size+"/side="+s.Name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if err := s.Run(); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*max(s.Ops, 1)), "ns/one")
			})
		}
	}
}
