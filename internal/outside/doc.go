// Package outside builds programs as modules of their own, as those who import
// usernskit do, and runs them. It also looks at what such a program links.
package outside
