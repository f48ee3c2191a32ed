package runtime

// logHang logs when the function of a batchable API begins to hang, and when it has returned.
func (a *api) logHang(hangs bool) {
	if a.batch.hung.Load() == hangs || !a.batch.hung.CompareAndSwap(!hangs, hangs) {
		return
	}
	if hangs {
		a.service.app.log.logger.Error("the batch function hangs: requests are refused until it returns", "service", a.service.name, "api", a.name)
		return
	}
	a.service.app.log.logger.Info("the batch function has returned", "service", a.service.name, "api", a.name)
}
