from django.contrib import admin
from django.contrib.auth.admin import UserAdmin

from demo_shop.models import Category, Customer, Order, OrderLine, Product, SentMail, Variant


@admin.register(Category)
class CategoryAdmin(admin.ModelAdmin):
    list_display = ["name", "slug"]
    prepopulated_fields = {"slug": ["name"]}


class VariantInline(admin.TabularInline):
    model = Variant
    extra = 0
    show_change_link = True


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ["title", "brand", "category", "is_featured", "is_published"]
    list_filter = ["is_published", "is_featured", "category"]
    list_select_related = ["category"]
    search_fields = ["title", "brand"]
    prepopulated_fields = {"slug": ["title"]}
    show_full_result_count = False
    inlines = [VariantInline]


@admin.register(Variant)
class VariantAdmin(admin.ModelAdmin):
    list_display = ["title", "sku", "price", "stock"]
    list_editable = ["stock"]
    search_fields = ["sku", "name", "product__title"]
    autocomplete_fields = ["product"]
    show_full_result_count = False


class OrderLineInline(admin.TabularInline):
    model = OrderLine
    extra = 0
    autocomplete_fields = ["variant"]


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    list_display = ["reference", "email", "name", "created_at"]
    search_fields = ["reference", "email", "name"]
    date_hierarchy = "created_at"
    inlines = [OrderLineInline]


@admin.register(Customer)
class CustomerAdmin(UserAdmin):
    list_display = ["email", "first_name", "last_name", "is_email_verified", "is_staff"]
    search_fields = ["email", "first_name", "last_name"]
    ordering = ["email"]
    fieldsets = [
        (None, {"fields": ["email", "password"]}),
        ("Person", {"fields": ["first_name", "last_name", "language", "is_email_verified"]}),
        ("Rights", {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
    ]
    add_fieldsets = [(None, {"classes": ["wide"], "fields": ["email", "password1", "password2"]})]


@admin.register(SentMail)
class SentMailAdmin(admin.ModelAdmin):
    list_display = ["subject", "to", "created_at"]
    search_fields = ["subject", "to"]

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return False
