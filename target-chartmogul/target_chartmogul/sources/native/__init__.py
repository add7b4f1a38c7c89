"""Streams whose rows are ChartMogul's objects already, so that any tap can feed this target through a stream map."""
