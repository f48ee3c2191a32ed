package telemetry

import (
	"context"
	"errors"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/semconv/v1.41.0/genaiconv"
)

// genAIScope is the scope of the metrics of generative models.
const genAIScope = Scope + "/gen_ai"

// genAIFamilies lists the names on /metrics.
var genAIFamilies = []string{
	"gen_ai_server_request_duration_seconds", "gen_ai_server_time_to_first_token_seconds", "gen_ai_server_time_per_output_token_seconds", "gen_ai_client_token_usage",
}

// The boundaries of the conventions, in seconds and tokens.
var (
	genAIDurations = []float64{.01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92}
	genAIFirst     = []float64{.001, .005, .01, .02, .04, .06, .08, .1, .25, .5, .75, 1, 2.5, 5, 7.5, 10}
	genAIPerToken  = []float64{.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5}
	genAITokens    = []float64{1, 4, 16, 64, 256, 1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864}
)

// The attributes of a function that does not say them. The conventions require both.
var (
	defaultOperation = string(genaiconv.OperationNameChat)
	defaultProvider  = "ekiben"
)

// mostModels bounds the combinations of operation, provider and model: they may come
// from clients. Further ones are _OTHER. mostModelName bounds the length of each, in
// bytes.
const (
	mostModels    = 100
	mostModelName = 256
	other         = "_OTHER"
)

// GenAI records requests to generative models with the metrics of OpenTelemetry's
// semantic conventions. A nil GenAI records nothing.
type GenAI struct {
	duration genaiconv.ServerRequestDuration
	first    genaiconv.ServerTimeToFirstToken
	perToken genaiconv.ServerTimePerOutputToken
	tokens   genaiconv.ClientTokenUsage
	app      []attribute.KeyValue // labels of the app

	mu     sync.Mutex
	models map[GenAIModel]*genAISeries
}

// GenAIModel says what a request asked for.
type GenAIModel struct{ Operation, Provider, Model string }

// Generation is one request to a model.
type Generation struct {
	GenAIModel

	Input, Output int64         // tokens; 0: not known
	Took          time.Duration // from its arrival to its end
	First         time.Duration // from its arrival to the first chunk; negative: it was no stream
	Error         string        // error.type; "": it succeeded
}

// genAISeries has the options of one model, made once.
type genAISeries struct {
	labels        []attribute.KeyValue
	success       []metric.RecordOption
	input, output []metric.RecordOption
	failed        map[string][]metric.RecordOption // by error.type, of which there are few
}

func newGenAI(provider metric.MeterProvider, app Identity) (*GenAI, error) {
	meter := provider.Meter(genAIScope, metric.WithSchemaURL(semconv.SchemaURL))
	duration, err1 := genaiconv.NewServerRequestDuration(meter, metric.WithExplicitBucketBoundaries(genAIDurations...))
	first, err2 := genaiconv.NewServerTimeToFirstToken(meter, metric.WithExplicitBucketBoundaries(genAIFirst...))
	perToken, err3 := genaiconv.NewServerTimePerOutputToken(meter, metric.WithExplicitBucketBoundaries(genAIPerToken...))
	tokens, err4 := genaiconv.NewClientTokenUsage(meter, metric.WithExplicitBucketBoundaries(genAITokens...))
	g := &GenAI{duration: duration, first: first, perToken: perToken, tokens: tokens, app: app.attributes(), models: map[GenAIModel]*genAISeries{}}
	return g, errors.Join(err1, err2, err3, err4)
}

// Record records a request that has ended. As the conventions say, the times of tokens
// are those of successful requests. Tokens count also if the request failed.
func (g *GenAI) Record(ctx context.Context, of Generation) {
	if g == nil {
		return
	}
	series, duration := g.series(of.GenAIModel, of.Error)
	g.duration.Inst().Record(ctx, of.Took.Seconds(), duration...)
	if of.Error == "" && of.First >= 0 {
		g.first.Inst().Record(ctx, of.First.Seconds(), series.success...)
		if of.Output > 1 {
			g.perToken.Inst().Record(ctx, (of.Took-of.First).Seconds()/float64(of.Output-1), series.success...)
		}
	}
	if of.Input > 0 {
		g.tokens.Inst().Record(ctx, of.Input, series.input...)
	}
	if of.Output > 0 {
		g.tokens.Inst().Record(ctx, of.Output, series.output...)
	}
}

// series returns the options of a model, and those for the duration of a request that
// ended with an error.type.
func (g *GenAI) series(of GenAIModel, failure string) (*genAISeries, []metric.RecordOption) {
	of = GenAIModel{legalName(of.Operation, defaultOperation), legalName(of.Provider, defaultProvider), legalName(of.Model, "")}
	g.mu.Lock()
	defer g.mu.Unlock()
	s, known := g.models[of]
	if !known {
		if len(g.models) >= mostModels {
			of = GenAIModel{other, other, other}
			s, known = g.models[of]
		}
		if !known {
			s = g.newSeries(of)
			g.models[of] = s
		}
	}
	if failure == "" {
		return s, s.success
	}
	options, known := s.failed[failure]
	if !known {
		options = s.with(semconv.ErrorTypeKey.String(failure))
		s.failed[failure] = options
	}
	return s, options
}

func (g *GenAI) newSeries(of GenAIModel) *genAISeries {
	s := &genAISeries{failed: map[string][]metric.RecordOption{}}
	s.labels = append(s.labels, semconv.GenAIOperationNameKey.String(of.Operation), semconv.GenAIProviderNameKey.String(of.Provider))
	if of.Model != "" {
		s.labels = append(s.labels, semconv.GenAIRequestModel(of.Model))
	}
	s.labels = append(s.labels, g.app...)
	s.success, s.input, s.output = s.with(), s.with(semconv.GenAITokenTypeInput), s.with(semconv.GenAITokenTypeOutput)
	return s
}

// with returns the labels of the model and more.
func (s *genAISeries) with(more ...attribute.KeyValue) []metric.RecordOption {
	return []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(append(more, s.labels...)...))}
}

// legalName returns a name that a label can have: a long one is _OTHER.
func legalName(name, missing string) string {
	switch {
	case name == "":
		return missing
	case len(name) > mostModelName:
		return other
	}
	return LegalLabel(name)
}
