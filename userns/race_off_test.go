//go:build !race

package userns_test

const raceDetector = false
