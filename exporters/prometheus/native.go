package prometheus

import (
	"fmt"
	"math"

	client "github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"google.golang.org/protobuf/proto"
)

// The range of the schema, which is the scale, of a native histogram.
const minSchema, maxSchema = -4, 8

// exponent is one exponential data point, without its type parameter.
type exponent struct {
	count, zero        uint64
	sum, zeroThreshold float64
	scale              int32
	positive, negative metricdata.ExponentialBucket
	exemplars          []exemplar
}

// withNative adds the sum of the exponential twins to h, the same series with boundaries.
//
// Both forms count the same requests, but are not collected at the same moment: a
// request may be in one of them only. Prometheus refuses a native histogram whose
// count differs from its buckets. So both forms get the count and sum of the
// exponential form, and no classic bucket may have more than that count.
func withNative(h *dto.Histogram, twins []*series) (*dto.Histogram, error) {
	schema := int32(maxSchema)
	parts := make([]*exponent, len(twins))
	for i, s := range twins {
		parts[i] = s.stream.data.(interface{ exponent(i int) *exponent }).exponent(s.at) // of an exponential stream
		schema = min(schema, parts[i].scale)
	}
	if schema < minSchema {
		return nil, fmt.Errorf("must have a scale of %d at least to be a native histogram, found %d", minSchema, schema)
	}
	var x exponent
	positive, negative := map[int]int64{}, map[int]int64{}
	for _, part := range parts {
		x.count, x.zero, x.sum = x.count+part.count, x.zero+part.zero, x.sum+part.sum
		x.zeroThreshold = max(x.zeroThreshold, part.zeroThreshold)
		x.exemplars = append(x.exemplars, part.exemplars...)
		addBuckets(positive, part.positive, part.scale-schema)
		addBuckets(negative, part.negative, part.scale-schema)
	}
	native, err := client.NewConstNativeHistogram(anyDesc, x.count, x.sum, positive, negative,
		x.zero, schema, x.zeroThreshold, h.GetCreatedTimestamp().AsTime())
	if err != nil {
		return nil, err
	}
	var m dto.Metric
	if err := native.Write(&m); err != nil {
		return nil, err
	}
	merged := m.GetHistogram()
	merged.Bucket, merged.CreatedTimestamp = h.GetBucket(), h.GetCreatedTimestamp()
	for _, b := range merged.GetBucket() {
		if b.GetCumulativeCount() > x.count || math.IsInf(b.GetUpperBound(), 1) {
			b.CumulativeCount = proto.Uint64(x.count)
		}
	}
	for i := range x.exemplars {
		if one := &x.exemplars[i]; !one.time.IsZero() { // an exemplar of a native histogram must have a time
			merged.Exemplars = append(merged.Exemplars, one.message())
		}
	}
	return merged, nil
}

// anyDesc is the description that client_golang asks for. Its name is not used: message
// and metric set name and labels.
var anyDesc = client.NewDesc("any", "", nil, nil)

// addBuckets adds the counts of b by native index. A native index belongs to the upper
// boundary of a bucket, OpenTelemetry's to the lower one. A shift of one merges two
// buckets.
func addBuckets(counts map[int]int64, b metricdata.ExponentialBucket, shift int32) {
	for i, n := range b.Counts {
		if n > 0 {
			counts[(int(b.Offset)+i)>>shift+1] += int64(min(n, math.MaxInt64))
		}
	}
}

// exponent returns the point i in full.
func (x exponentials[N]) exponent(i int) *exponent {
	dp := &x[i]
	return &exponent{
		count: dp.Count, sum: float64(dp.Sum), zero: dp.ZeroCount, zeroThreshold: dp.ZeroThreshold,
		scale: dp.Scale, positive: dp.PositiveBucket, negative: dp.NegativeBucket,
		exemplars: loadExemplars(nil, dp.Exemplars),
	}
}
