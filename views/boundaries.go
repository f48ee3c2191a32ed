package views

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// MaxBoundaries is the largest number of finite boundaries of a histogram. BentoML
// silently cuts a longer exponential list off and appends max, which leaves one
// huge bucket; this package returns an error.
const MaxBoundaries = 100

// DefaultDurationBoundaries returns BentoML's default boundaries of request
// durations, in seconds: those of Prometheus up to 10, and four more for models
// that take minutes. The caller owns the slice.
func DefaultDurationBoundaries() []float64 {
	return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 180}
}

// Exponential returns min, min·factor, min·factor² … below max, and then max.
//
// Each boundary is the previous one times factor, as in BentoML. Powers of factor
// would differ in the last digits (in 7 of the 26 boundaries of 0.1, 10, 1.2), and a
// different boundary makes a different series.
//
// Errors name the argument: min ≤ 0, min ≥ max, factor ≤ 1, a NaN or infinite
// argument, more than [MaxBoundaries] boundaries. The last error suggests a factor
// that fits.
func Exponential(min, max, factor float64) ([]float64, error) {
	var errs []error
	for _, arg := range []struct {
		name  string
		value float64
	}{{"min", min}, {"max", max}, {"factor", factor}} {
		if math.IsNaN(arg.value) || math.IsInf(arg.value, 0) {
			errs = append(errs, at(arg.name, "must be a finite number, found %s", number(arg.value)))
		}
	}
	if min <= 0 {
		errs = append(errs, at("min", "must be greater than 0, found %s", number(min)))
	}
	if min > 0 && min >= max {
		errs = append(errs, at("min", "must be less than max (%s), found %s", number(max), number(min)))
	}
	if factor <= 1 {
		errs = append(errs, at("factor", "must be greater than 1, found %s", number(factor)))
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	bounds, ok := grow(min, max, factor)
	if !ok {
		return nil, &keyError{key: "factor", err: &tooManyError{min, max, factor}}
	}
	return bounds, nil
}

// tooManyError is returned for more than MaxBoundaries boundaries. Its message
// suggests a factor that fits.
type tooManyError struct{ min, max, factor float64 }

func (e *tooManyError) Error() string {
	return fmt.Sprintf("makes more than %d boundaries between %s and %s, found %s; %s would fit",
		MaxBoundaries, number(e.min), number(e.max), number(e.factor), number(fittingFactor(e.min, e.max)))
}

// truncated returns BentoML's list if there are too many boundaries: the first
// MaxBoundaries of them, and max.
func truncated(min, max, factor float64) []float64 {
	bounds := make([]float64, 0, MaxBoundaries+1)
	for bound := min; bound < max && len(bounds) < MaxBoundaries; bound *= factor {
		bounds = append(bounds, bound)
	}
	return append(bounds, max)
}

// grow returns the boundaries of Exponential. ok is false if there are more than
// MaxBoundaries; that also ends a loop whose factor is too close to 1 to change
// the bound.
func grow(min, max, factor float64) (bounds []float64, ok bool) {
	for bound := min; bound < max; bound *= factor {
		if len(bounds) == MaxBoundaries-1 {
			return nil, false
		}
		bounds = append(bounds, bound)
	}
	return append(bounds, max), true
}

// fittingFactor returns a factor of four significant digits, close to the smallest,
// with which min to max needs at most MaxBoundaries boundaries.
func fittingFactor(min, max float64) float64 {
	factor := math.Exp((math.Log(max) - math.Log(min)) / (MaxBoundaries - 1))
	for {
		factor = roundUp(factor)
		if _, ok := grow(min, max, factor); ok {
			return factor
		}
		factor *= 1.0005 // to the next or second next factor of four digits
	}
}

// roundUp rounds v ≥ 1 up to four significant digits.
func roundUp(v float64) float64 {
	scale := math.Pow(10, 3-math.Floor(math.Log10(v)))
	return math.Ceil(v*scale) / scale
}

// CheckBoundaries checks a list of boundaries and returns a copy without a trailing
// +Inf. A trailing +Inf is allowed, because BentoML's documentation has it; every
// histogram has that bucket anyway.
//
// Errors: a list without a finite boundary, NaN, a negative number, another
// infinity, boundaries that do not increase, more than [MaxBoundaries].
func CheckBoundaries(bounds []float64) ([]float64, error) {
	if n := len(bounds); n > 0 && math.IsInf(bounds[n-1], 1) {
		bounds = bounds[:n-1]
	}
	if len(bounds) == 0 {
		return nil, errors.New("must hold at least one finite boundary, found none; leave the key out for the default")
	}
	if len(bounds) > MaxBoundaries {
		return nil, fmt.Errorf("must hold at most %d boundaries, found %d", MaxBoundaries, len(bounds))
	}
	var errs []error
	for i, b := range bounds {
		if err := checkBoundary(b); err != nil {
			errs = append(errs, atIndex(i, err))
			continue
		}
		if i == 0 {
			continue
		}
		switch prev := bounds[i-1]; {
		case b == prev:
			errs = append(errs, atIndex(i, fmt.Errorf("must differ from the boundary before it, found %s twice", number(b))))
		case b < prev:
			errs = append(errs, atIndex(i, fmt.Errorf("must be greater than the boundary before it (%s), found %s", number(prev), number(b))))
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return slices.Clone(bounds), nil
}

func checkBoundary(b float64) error {
	switch {
	case math.IsNaN(b):
		return errors.New("must be a number, found NaN")
	case math.IsInf(b, 0):
		return fmt.Errorf("must be finite (one +Inf may end the list), found %s", number(b))
	case b < 0:
		return fmt.Errorf("must not be negative, found %s", number(b))
	}
	return nil
}

// WithObjectives returns bounds and the service-level objectives slo in one sorted
// list, each value once. A histogram gives an exact number of observations below
// a value only if the value is a boundary.
//
// Errors: NaN, an infinity, zero or a negative number in slo, more than
// [MaxBoundaries] boundaries altogether.
func WithObjectives(bounds, slo []float64) ([]float64, error) {
	var errs []error
	merged := slices.Clone(bounds)
	for i, v := range slo {
		err := checkBoundary(v)
		if err == nil && v == 0 {
			err = errors.New("must be greater than 0, found 0")
		}
		if err != nil {
			errs = append(errs, atIndex(i, err))
			continue
		}
		merged = append(merged, v)
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	slices.Sort(merged)
	merged = slices.Compact(merged)
	if len(merged) > MaxBoundaries {
		return nil, fmt.Errorf("makes %d boundaries together with the %d of duration; at most %d are allowed", len(merged), len(bounds), MaxBoundaries)
	}
	return merged, nil
}

// BatchSizeBoundaries returns the boundaries of adaptive_batch_size for a service
// whose largest max_batch_size is max: 1, 2, 4 … and max, which is BentoML's
// exponential rule with min 1 and factor 2. A max below 2 gives the boundary 1;
// BentoML cannot start with it.
func BatchSizeBoundaries(max int) []float64 {
	bounds, _ := grow(1, float64(max), 2)
	if max <= 1 {
		return []float64{1}
	}
	return bounds
}

// number formats v with the fewest digits.
func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
