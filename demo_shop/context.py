from demo_shop.basket import Basket
from demo_shop.models import Category, SentMail


def shop(request):
    """What every page's header shows. Lazy where a page may not need it."""
    return {
        "basket_size": Basket(request.session).size,
        "menu": Category.objects.all()[:9],
        "inbox_size": SentMail.objects.count,
    }
