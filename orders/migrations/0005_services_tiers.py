"""Services that parcels travel with; tiers of customers."""

import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('orders', '0004_captured_from_anywhere'),
    ]

    operations = [
        migrations.CreateModel(
            name='DeliveryService',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.SlugField(max_length=40, unique=True)),
                ('name', models.CharField(max_length=60)),
                ('carrier', models.CharField(blank=True, max_length=40)),
                ('serves', django.contrib.postgres.fields.ArrayField(base_field=models.CharField(max_length=12), default=list, help_text='speeds that an order may ask for and this service keeps: standard, express', size=None)),
                ('transit', models.JSONField(default=list, help_text='[[up to km, working days], ...]; null as the last distance: any farther')),
                ('dangerous_goods', models.BooleanField(default=True, verbose_name='takes dangerous goods')),
                ('position', models.PositiveSmallIntegerField(default=100)),
                ('active', models.BooleanField(default=True)),
            ],
            options={
                'verbose_name': 'delivery service',
                'ordering': ['position', 'code'],
            },
        ),
        migrations.AddField(
            model_name='customer',
            name='tier',
            field=models.CharField(blank=True, db_default='', default='', help_text='gold, silver ...: rules of routing may ask for it', max_length=20),
        ),
        migrations.AddField(
            model_name='allocation',
            name='cancel_at',
            field=models.DateTimeField(blank=True, help_text='still unfillable then, it is canceled', null=True),
        ),
        migrations.AlterField(
            model_name='allocation',
            name='attempt',
            field=models.PositiveSmallIntegerField(default=0, help_text='how often it was refused'),
        ),
    ]
