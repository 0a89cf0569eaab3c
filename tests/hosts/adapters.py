from backorders.shop import Adapter, Described


class CustomAdapter(Adapter):
    """Whole boxes, counted in pieces."""

    def stock(self, pks):
        rows = self.model.objects.filter(pk__in=list(pks)).values_list("pk", "boxes", "per_box")
        return {pk: boxes * per_box for pk, boxes, per_box in rows}

    def describe(self, pks):
        return {product.pk: Described(title=product.name) for product in self.model.objects.filter(pk__in=list(pks))}
