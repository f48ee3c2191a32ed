package otlp

import (
	"go.opentelemetry.io/otel/attribute"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
)

// encodeValue converts the value of an attribute. A type that OpenTelemetry
// adds later is sent in its string form.
func encodeValue(v attribute.Value) *commonpb.AnyValue {
	out := &commonpb.AnyValue{}
	switch v.Type() {
	case attribute.EMPTY:
	case attribute.BOOL:
		out.Value = &commonpb.AnyValue_BoolValue{BoolValue: v.AsBool()}
	case attribute.INT64:
		out.Value = &commonpb.AnyValue_IntValue{IntValue: v.AsInt64()}
	case attribute.FLOAT64:
		out.Value = &commonpb.AnyValue_DoubleValue{DoubleValue: v.AsFloat64()}
	case attribute.STRING:
		out.Value = &commonpb.AnyValue_StringValue{StringValue: legal(v.AsString())}
	case attribute.BYTESLICE:
		out.Value = &commonpb.AnyValue_BytesValue{BytesValue: v.AsByteSlice()}
	case attribute.BOOLSLICE:
		out.Value = encodeList(v.AsBoolSlice(), attribute.BoolValue)
	case attribute.INT64SLICE:
		out.Value = encodeList(v.AsInt64Slice(), attribute.Int64Value)
	case attribute.FLOAT64SLICE:
		out.Value = encodeList(v.AsFloat64Slice(), attribute.Float64Value)
	case attribute.STRINGSLICE:
		out.Value = encodeList(v.AsStringSlice(), attribute.StringValue)
	case attribute.SLICE:
		out.Value = encodeList(v.AsSlice(), func(v attribute.Value) attribute.Value { return v })
	case attribute.MAP:
		out.Value = &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: each(v.AsMap(), encodeAttribute)}}
	default:
		out.Value = &commonpb.AnyValue_StringValue{StringValue: legal(v.String())}
	}
	return out
}

func encodeList[E any](list []E, value func(E) attribute.Value) *commonpb.AnyValue_ArrayValue {
	return &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{
		Values: each(list, func(e E) *commonpb.AnyValue { return encodeValue(value(e)) }),
	}}
}
