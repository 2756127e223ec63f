//go:build race

package userns_test

// raceDetector: speed is not what the race detector is for.
const raceDetector = true
